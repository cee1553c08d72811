"""Several tasks together: what may be averaged, who cannot win by collapsing, and the plane."""

from __future__ import annotations

import numpy as np
import pytest

from agsam_tune.analysis.across import TaskRun, compare_tasks
from agsam_tune.analysis.lenses.estimates import mean_estimate
from agsam_tune.analysis.record import (
    Claim,
    Comparison,
    Counts,
    Design,
    OptimizerRecord,
    Summary,
)
from agsam_tune.analysis.record_across import TaskComparison
from tests.analysis.planted import RHO, cliff, data_of, planted, study_of

NAMES = ("new", "old")


def _row(lens, metric, estimate, half=0.01, *, pair=NAMES, **more):
    return Comparison(
        lens=lens,
        metric=metric,
        candidate=pair[0],
        baseline=pair[1],
        estimate=estimate,
        low=None if estimate is None else estimate - half,
        high=None if estimate is None else estimate + half,
        replicates=16,
        **more,
    )


def _summary(task, rows, *, best=0.9, trivial=0.5, pair=NAMES, verdict="supported"):
    bare = OptimizerRecord(
        hyperparameters=("rho",), trainings=10, diverged=0, collapsed=0, failed=0, clipped_share=0.0
    )
    return Summary(
        study=task,
        task=task,
        candidate=pair[0],
        baseline=pair[1],
        control=None,
        counts=Counts(trainings=20, diverged=1, collapsed=1, failed=0),
        design=Design(
            replicates=16,
            complete=True,
            looks=(16,),
            max_replicates=16,
            next_look=None,
            data="per_replicate",
            key="rho",
            key_box=(0.005, 8.0),
            factor=10.0,
            radius_range=None,
            metric="accuracy",
            trivial=trivial,
            best=best,
            margin=0.02,
            confidence=0.95,
            epsilons=(0.01,),
        ),
        optimizers=dict.fromkeys(pair, bare),
        comparisons=tuple(rows),
        claim=Claim(verdict=verdict, text="."),
    )


def _runs(*summaries, data=None):
    return [
        TaskRun(
            name=f"{number}-{one.task}", summary=one, data=None if data is None else data[number]
        )
        for number, one in enumerate(summaries)
    ]


def test_a_mean_is_of_shares_of_what_there_is_to_lose_and_regret_is_in_none():
    rows = [
        _row("own_scale", "common_regret", 0.04),
        _row("own_scale", "regret", 0.3, verdict="candidate"),
    ]
    wide = [_row("own_scale", "common_regret", -0.01), _row("same_setting", "mean_score", 0.1)]
    found = compare_tasks(_runs(_summary("a", rows), _summary("b", wide, best=0.6)))
    (line,) = found.pooled
    assert (line.lens, line.metric) == ("own_scale", "common_regret")
    assert line.estimate == pytest.approx((0.04 / 0.4 - 0.01 / 0.1) / 2)
    assert line.high - line.low == pytest.approx((0.02 / 0.4 + 0.02 / 0.1) / 2)
    assert line.tasks == ("0-a", "1-b")
    own = {row.metric: row.verdict for row in found.tasks[0].comparisons}
    assert own == {"common_regret": None, "regret": "candidate"}
    assert TaskComparison.model_validate_json(found.model_dump_json()) == found


def test_a_task_where_nothing_is_better_than_trivial_is_in_no_mean():
    row = [_row("own_scale", "common_regret", 0.04)]
    dead = _summary("dead", row, best=0.505)
    found = compare_tasks(_runs(_summary("a", row), _summary("b", row), dead))
    (line,) = found.pooled
    assert line.tasks == ("0-a", "1-b")
    assert line.without == ("2-dead: no optimizer does better than trivial",)
    assert compare_tasks(_runs(_summary("a", row), dead)).pooled == ()


def test_other_pairs_are_told_and_in_no_mean():
    row = [_row("own_scale", "common_regret", 0.04)]
    other = _summary("c", row, pair=("new", "third"), verdict="mixed")
    found = compare_tasks(
        _runs(_summary("a", row), _summary("b", row, verdict="no_difference"), other)
    )
    assert (found.candidate, found.baseline) == NAMES
    assert found.verdicts == {"supported": 1, "no_difference": 1}
    assert found.text == (
        "That new is more robust than old: supported in 1 and no difference in 1 of 2 tasks."
    )
    assert found.pooled[0].tasks == ("0-a", "1-b")
    assert "Not about these two, so in no mean: 2-c." in found.notes


@pytest.mark.parametrize("studies", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_the_interval_of_a_mean_covers_whether_or_not_tasks_have_errors_in_common(studies):
    rng, covered = np.random.default_rng(5), {0.0: 0, 1.0: 0}
    for common in covered:
        for _ in range(studies):
            shared_R, runs = rng.normal(size=8), []
            for task in "ab":
                own_R = np.sqrt(1 - common) * rng.normal(size=8) + np.sqrt(common) * shared_R
                estimate = mean_estimate(np.arange(8), 0.02 * own_R, replicates=8)
                interval = estimate.interval(0.05)
                half = (interval.high - interval.low) / 2
                runs.append(
                    _summary(task, [_row("own_scale", "common_regret", estimate.value, half)])
                )
            line = compare_tasks(_runs(*runs)).pooled[0]
            covered[common] += line.low <= 0 <= line.high
    print({common: count / studies for common, count in covered.items()})  # noqa: T201
    assert min(covered.values()) >= 0.92 * studies


def _keyed(rng, edges, *, replicates=16, points=20):
    """A task's phase `key`: cliffs at other keys for each optimizer, with a peak before them."""

    def ridge(edge):
        return lambda u: cliff(u + 0.75 - edge) - 0.3 * np.maximum(edge - 0.1 - u[:, :1], 0).max(1)

    one = planted(
        rng,
        {name: ridge(edge) for name, edge in edges.items()},
        hyperparameters=("rho",),
        replicates=replicates,
        points=points,
        phase="key",
    )
    return data_of(study_of(dict.fromkeys(edges, ("rho",))), one.phases, replicates)


def test_what_one_placement_for_all_tasks_loses_is_found():
    """`old` wants another key in each task, `new` the same."""
    rng = np.random.default_rng(7)
    data = [_keyed(rng, {"new": 0.6, "old": old}) for old in (0.35, 0.8)]
    found = compare_tasks(_runs(_summary("a", []), _summary("b", []), data=data)).optimizers
    assert found["new"].sensitivity.value == pytest.approx(0.0, abs=0.01)
    assert found["old"].sensitivity.low > 0.1
    for one in found.values():
        assert one.performance.low < one.performance.value < one.performance.high < 1.05
    assert RHO.log  # the placements are powers of ten


def test_without_the_trainings_or_a_key_the_plane_says_why():
    runs = _runs(_summary("a", []), _summary("b", []))
    assert compare_tasks(runs).optimizers["new"].performance.reason == (
        "the trainings of a task are not at hand"
    )
    maps = [planted(np.random.default_rng(1), dict.fromkeys(NAMES, cliff)) for _ in "ab"]
    found = compare_tasks(_runs(_summary("a", []), _summary("b", []), data=maps))
    assert found.optimizers["old"].sensitivity.reason == "a task has no trainings of its phase key"
