"""A study analysed as a whole: what it finds, what it cannot say, and that nothing is lopsided."""

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis import Summary, analyse_data, read_data
from agsam_tune.study.model import FixedPoint, Phase, PublishedResult, Range, Reference
from agsam_tune.study.study import Study
from tests.analysis.studies import POINTS, facts_of, space, study_of, trials_of

BETTER = {"edge": {"ours": 1.4}}
UNIT = {"unit": {"ours": 0.3}}


def found(study, trials, *, brief=True, **facts) -> Summary:
    return analyse_data(read_data(trials, study, facts_of(study, **facts)), brief=brief)


def verdicts(summary: Summary) -> dict[str, str | None]:
    return {row.lens: row.verdict for row in summary.comparisons if row.verdict is not None}


def test_a_change_of_unit_wins_at_the_same_setting_alone():
    study = study_of(replicates=16)
    summary = found(study, trials_of(study, **UNIT))
    assert verdicts(summary) == {
        "same_setting": "candidate",
        "own_scale": "equivalent",
        "equal_radius": "equivalent",
    }
    assert summary.claim.verdict == "no_difference"
    metric = "tolerance_decades_0.03"
    assert all(
        summary.metric(name, "own_scale", metric).value == pytest.approx(expected, abs=0.15)
        for name, expected in {"theirs": 3.06, "ours": 3.58}.items()  # half a decade further
    )


def test_a_better_direction_wins_at_equal_length():
    study = study_of(replicates=16)
    summary = found(study, trials_of(study, **BETTER, **UNIT))
    assert verdicts(summary)["equal_radius"] == "candidate"
    assert summary.claim.verdict == "supported"
    assert summary.claim.text.startswith("Supported: ours loses")
    assert summary.metric("ours", "equal_radius", "win_probability").value > 0.9
    # All the same on its own scale, and a step of its own unit at the same setting.
    assert verdicts(summary)["own_scale"] == "equivalent"


@pytest.mark.parametrize("paired", [True, False], ids=["one study", "two runs"])
def test_exchanged_sides_give_the_mirror_image_of_every_comparison(paired):
    study = study_of(
        phases={**POINTS, "default": 1},
        replicates=6,
    )
    back = study.model_copy(update={"candidate": "theirs", "baseline": "ours"})
    trials = trials_of(study, **UNIT, **BETTER, collapses={"ours": 0.03})
    lost = (trials["optimizer"] == "ours") & (trials["phase"] == "off") & (trials["point"] < 30)
    trials = trials[~lost]
    one, other = (found(s, trials, paired=paired) for s in (study, back))
    theirs = {(row.lens, row.metric): row for row in other.comparisons}
    assert len(one.comparisons) > 30
    for row in one.comparisons:
        mirror = theirs[row.lens, row.metric]
        numbers = (row.estimate, row.low, row.high, row.verdict_low, row.verdict_high)
        turned = (
            *(mirror.estimate, mirror.high, mirror.low),
            *(mirror.verdict_high, mirror.verdict_low),
        )
        assert numbers == tuple(None if x is None else -x for x in turned), row
        sides = {"candidate": "baseline", "baseline": "candidate"}
        assert mirror.verdict == sides.get(row.verdict, row.verdict)


def test_what_one_of_them_lacks_is_left_out_of_the_other_too():
    study = study_of(replicates=6)
    trials = trials_of(study)
    gone = (trials["phase"] == "radius") & (trials["replicate"] == 2)
    both = found(study, trials[~gone])
    one = found(study, trials[~(gone & (trials["optimizer"] == "ours"))])
    assert one.comparison("equal_radius", "score") == both.comparison("equal_radius", "score")
    raised = trials.assign(
        state=np.where(gone & (trials["optimizer"] == "ours"), "FAIL", "COMPLETE")
    )
    failed = found(study, raised)
    assert failed.comparison("equal_radius", "score") == both.comparison("equal_radius", "score")
    assert failed.optimizers["ours"].failed == 12
    assert any("raised an error" in note for note in failed.notes)


def test_without_all_trainings_there_are_numbers_and_no_verdict():
    study = study_of(replicates=6)
    trials = trials_of(study, **BETTER)
    summary = found(study, trials[trials["replicate"] < 5], complete=False)
    rows = [row for row in summary.comparisons if row.verdict is not None]
    assert {row.verdict for row in rows} == {"undecided"}
    assert all("trainings are there" in row.reason for row in rows)
    assert all(row.estimate is not None for row in rows)
    assert summary.claim.verdict == "undecided"


def test_without_a_range_of_lengths_the_study_is_asked_for_it():
    study = study_of(replicates=6)
    trials = trials_of(study)
    summary = found(study, trials[trials["phase"] != "radius"], radius_range=None)
    row = summary.comparison("equal_radius", "regret")
    assert (row.verdict, row.reason) == ("undecided", "give low and high of the phase radius")


@pytest.mark.parametrize(
    ("change", "lens", "reason"),
    [
        ({"phases": {"map": 4, "key": 8, "off": 8}}, "equal_radius", "no phase radius"),
        ({"phases": {"map": 4, "key": 8, "radius": 8}}, "own_scale", "no phase off"),
        (
            {"spaces": {"theirs": space("theirs", ascent=False), "ours": space("ours")}},
            "equal_radius",
            "no ascent step is made by theirs",
        ),
    ],
)
def test_what_the_study_rules_out_is_not_applicable(change, lens, reason):
    study = study_of(replicates=4, **change)
    summary = found(study, trials_of(study))
    row = summary.comparison(lens, "regret")
    assert (row.verdict, row.estimate) == ("not_applicable", None)
    assert reason in row.reason
    assert lens.replace("_", " ") not in summary.claim.text


def test_draws_at_a_limit_are_told():
    low = Range(low=0.005, high=8.0, log=True, default=0.1, max=20.0)
    study = study_of(
        replicates=4, spaces={"theirs": space("theirs"), "ours": space("ours", rho=low)}
    )
    trials = trials_of(study)
    ours = (trials["optimizer"] == "ours") & (trials["phase"] == "off")
    trials.loc[ours, "rho"] = trials.loc[ours, "rho"].clip(upper=20.0)
    summary = found(study, trials)
    expected = (trials.loc[ours, "rho"] >= 20.0).sum()
    total = (
        trials["phase"].isin(["off", "radius", "misset"]) & (trials["optimizer"] == "ours")
    ).sum()
    assert summary.optimizers["ours"].clipped_share == pytest.approx(expected / total)
    assert summary.optimizers["theirs"].clipped_share == 0
    assert any("a limit of the rule" in note for note in summary.notes)


def test_boxes_that_differ_are_compared_over_each_and_over_the_common_part():
    wide = Range(low=0.005, high=80.0, log=True, default=0.1)
    study = study_of(
        replicates=8, spaces={"theirs": space("theirs"), "ours": space("ours", rho=wide)}
    )
    summary = found(study, trials_of(study))
    own = summary.comparison("same_setting", "mean_score").estimate
    common = summary.comparison("same_setting", "mean_score_common_box").estimate
    assert own < -0.03 < common
    assert any("search boxes differ in rho" in note for note in summary.notes)


def test_the_gap_is_the_sum_of_its_parts():
    spaces = {name: space(name) for name in ("theirs", "ours", "control")}
    study = study_of(replicates=8, spaces=spaces, control="control")
    unit = {"ours": 0.3, "control": 0.3}
    summary = found(study, trials_of(study, unit=unit, edge={"ours": 2.0}))
    gap = {row.metric: row for row in summary.gap}
    for metric in ("mean_score", "regret"):
        total, unit_part, direction = (
            gap[f"{metric}.{part}"].estimate for part in ("total", "unit_part", "direction_part")
        )
        assert total == pytest.approx(unit_part + direction)
    assert gap["mean_score.unit_part"].low > 0
    assert gap["mean_score.total"].candidate == "ours"
    assert any("the steps of control measure" in note for note in summary.notes)


def test_seeds_of_fixed_points_are_its_replicates():
    points = tuple(
        FixedPoint(optimizer=name, hyperparameters={"rho": 0.1, "alpha": 0.04})
        for name in ("theirs", "ours")
    )
    results = (PublishedResult(optimizer="ours", test_accuracy=0.89, test_loss=0.27),)
    study = study_of(phases={"key": 4}, replicates=4).model_copy(
        update={
            "phases": (Phase(name="fixed", seeds=3, fixed=points),),
            "reference": Reference(source="a paper", results=results),
        }
    )
    keys = trials_of(study_of(phases={"key": 1}, replicates=3))
    trials = keys.assign(phase="fixed", point=0, seed=keys["replicate"])
    trials["test_accuracy"] = np.where(trials["optimizer"] == "ours", 0.9, 0.8) + 0.01 * trials.seed
    summary = found(study, trials)
    ours = summary.fixed[-1].metrics[0]
    assert (ours.value, ours.replicates) == (pytest.approx(0.91), 3)
    row = summary.comparison("fixed", "mean_score")
    assert (row.estimate, row.low) == (pytest.approx(0.1), pytest.approx(0.1))
    assert [(row.metric, row.ours) for row in summary.published] == [
        ("test_accuracy", pytest.approx(0.91)),
        ("test_loss", pytest.approx(trials[trials.optimizer == "ours"].test_loss.mean())),
    ]


def _one_replicate(trials):
    return trials[trials["replicate"] == 0]


def _two_replicates(trials):
    return trials[trials["replicate"] < 2]


def _nothing(trials):
    return trials[:0]


def _only_map(trials):
    return trials[trials["phase"] == "map"]


def _none_of_ours(trials):
    return trials[trials["optimizer"] != "ours"]


def _all_failed(trials):
    return trials.assign(state="FAIL", test_accuracy=np.nan, val_accuracy=np.nan)


def _all_diverged(trials):
    return trials.assign(diverged=True, test_accuracy=np.nan, val_accuracy=np.nan)


def _no_radius(trials):
    return trials.drop(columns=["radius", "test_loss", "val_accuracy"])


def _points_as_replicates(trials):
    return _only_map(trials).assign(replicate=lambda frame: frame["point"])


@pytest.fixture(scope="module")
def three() -> tuple[Study, pd.DataFrame]:
    study = study_of(replicates=3, phases=POINTS)
    return study, trials_of(study)


@pytest.mark.parametrize(
    "part",
    [
        *(_one_replicate, _two_replicates, _nothing, _only_map, _none_of_ours, _all_failed),
        *(_all_diverged, _no_radius, _points_as_replicates),
    ],
)
@pytest.mark.parametrize("more", [{}, {"candidate": None, "baseline": None}], ids=["pair", "none"])
@pytest.mark.parametrize("complete", [True, False])
def test_whatever_is_there_gives_a_record_without_nan(three, part, more, complete):
    trials = part(three[1])
    study = three[0].model_copy(update=more)
    size = max(int(trials["replicate"].nunique()), 1)
    summary = found(
        study, trials, brief=not complete, looks=(size,), can_grow=False, complete=complete
    )
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
    decided = {"candidate", "baseline", "level_candidate", "level_baseline"}
    if part is not _two_replicates:
        assert not decided & {row.verdict for row in summary.comparisons}


def test_a_table_without_replicates_is_compared_at_the_same_setting():
    study = study_of(replicates=1, phases={"map": 200})
    trials = trials_of(study, **UNIT)
    trials = trials[trials["seed"] == 0].assign(replicate=lambda frame: frame["point"])
    summary = found(study, trials, looks=(200,), can_grow=False)
    rows = {row.lens: row for row in summary.comparisons if row.metric == "score"}
    assert rows["same_setting"].verdict == "candidate"
    assert rows["same_setting"].replicates == 200
    assert {rows[lens].verdict for lens in ("own_scale", "equal_radius")} == {"not_applicable"}
    assert summary.claim.verdict == "not_applicable"
    assert summary.metric("ours", "around_best", "tuned") is None


def test_seeds_of_a_table_without_replicates_are_all_in_its_means():
    """As of a run of the first design, whose default is one point."""
    study = study_of(replicates=1, phases={"map": 40, "default": 1})
    trials = trials_of(study)
    trials = trials[(trials["seed"] == 0)].assign(replicate=lambda frame: frame["point"])
    again = trials.assign(seed=7, test_accuracy=trials["test_accuracy"] + 0.01)
    summary = found(study, pd.concat([trials, again]), looks=(40,), can_grow=False)
    row = summary.metric("ours", "same_setting", "mean_score")
    own = trials[(trials["optimizer"] == "ours") & (trials["phase"] == "map")]
    assert row.value == pytest.approx(own["test_accuracy"].mean() + 0.005)
    assert (row.replicates, row.trainings) == (40, 80)
    default = summary.metric("ours", "around_default", "score")
    assert (default.low, default.high, default.trainings) == (None, None, 2)


def test_a_study_without_numbers_of_its_own_says_what_would_decide_it():
    study = study_of(replicates=4, max_replicates=8)
    summary = found(study, trials_of(study, collapses={"ours": 0.1, "theirs": 0.1}))
    assert summary.claim.verdict == "undecided"
    assert summary.design.next_look == 8
    assert {row.lens for row in summary.needed} >= {"own_scale"}
    sentence = next(text for text in summary.claim.because if "own scale" in text)
    assert "replicates would decide it" in sentence or "would not decide it" in sentence


@pytest.mark.parametrize("first", [0, 1])
def test_second_seeds_are_in_no_mean(first):
    """In no phase but `default`, whose seeds count on; nor where the first is not called 0."""
    study = study_of(replicates=4)
    trials = trials_of(study)
    trials["seed"] += first
    again = trials[(trials["seed"] == first) & (trials["phase"] != "default")]
    lacking = again.merge(
        trials[trials["seed"] == first + 1], on=["optimizer", "phase", "point"], how="left"
    )["seed_y"].isna()
    second = again[lacking.to_numpy()].assign(seed=first + 1, test_accuracy=0.6, val_accuracy=0.6)
    one, other = (found(study, t) for t in (trials, pd.concat([trials, second], ignore_index=True)))
    assert one.comparisons == other.comparisons
    pair = ("ours", "theirs")
    assert [one.optimizers[name].curves for name in pair] == [
        other.optimizers[name].curves for name in pair
    ]


def test_one_replicate_has_no_band_that_looks_certain():
    study = study_of(replicates=1)
    summary = found(study, trials_of(study))
    assert all(own.curves == () for own in summary.optimizers.values())


def test_each_number_counts_the_trainings_that_it_is_made_from():
    study = study_of(replicates=4)
    trials = trials_of(study)
    summary = found(study, trials)
    own = trials[(trials["optimizer"] == "ours") & (trials["seed"] == 0)]
    n = own["phase"].value_counts()
    for metric, phase in (("best", "key"), ("score", "radius")):
        assert summary.metric("ours", "equal_radius", metric).trainings == n[phase]
    assert summary.metric("ours", "same_setting", "score").trainings == n["map"]
    assert summary.metric("ours", "same_setting", "best").reason is None
    unkeyed = found(study, trials[(trials["optimizer"] != "ours") | (trials["phase"] != "key")])
    bound = unkeyed.metric("ours", "same_setting", "best")
    assert (bound.trainings, "lower bound" in bound.reason) == (n["map"], True)
