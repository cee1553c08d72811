"""No interval of a mean score leaves what a mean score can be."""

import numpy as np
import pytest

from agsam_tune.analysis import analyse_data, read_data
from agsam_tune.analysis import whole as analysing
from agsam_tune.analysis.possible import cut_to_possible
from agsam_tune.analysis.record import Metric, PublishedNumber, Summary, TuningRow
from tests.analysis.studies import POINTS, TRIVIAL, facts_of, study_of, trials_of

SCORES = ("score", "mean_score", "robust_score", "best", "tuned")


@pytest.fixture(scope="module")
def uncut() -> Summary:
    """Of two replicates, whose intervals are 13 standard errors to each side."""
    study = study_of(phases={**POINTS, "default": 1}, replicates=2)
    trials = trials_of(study, noise=0.05)
    trials["test_accuracy"] = trials["test_accuracy"].clip(upper=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysing, "cut_to_possible", lambda found: found)
        found = analyse_data(read_data(trials, study, facts_of(study)), brief=True)
    wide = {"trials": 4, "value": 0.99, "low": 0.2, "high": 1.4}
    rows = [TuningRow(optimizer=name, **wide) for name in ("ours", None)]
    numbers = [
        PublishedNumber(
            source="x", optimizer="ours", metric=name, published=1, ours=0.9, low=-1, high=3
        )
        for name in ("test_accuracy", "test_loss")
    ]
    return found.model_copy(update={"tuning": tuple(rows), "published": tuple(numbers)})


def _ends(found: Summary) -> list[tuple[float, float, float]]:
    """(value, low, high) of all that is a mean score."""
    each: list[tuple[float, float, float]] = []
    for one in found.optimizers.values():
        each += [(m.value, m.low, m.high) for m in _scores(one.metrics) if m.low is not None]
        for curve in one.curves:
            each += zip(curve.mean, curve.low, curve.high, strict=True)
    each += [(row.value, row.low, row.high) for row in found.tuning if row.optimizer]
    return each + [
        (row.ours, row.low, row.high) for row in found.published if row.metric == "test_accuracy"
    ]


def _scores(rows: tuple[Metric, ...]) -> list[Metric]:
    return [row for row in rows if row.metric.startswith(SCORES)]


def test_scores_lie_between_trivial_and_1_and_nothing_else_is_changed(uncut: Summary) -> None:
    cut = cut_to_possible(uncut)
    before, after = _ends(uncut), _ends(cut)
    assert any(low < TRIVIAL for _, low, _ in before)
    assert any(high > 1 for _, _, high in before)
    for old, new in zip(before, after, strict=True):
        assert new == pytest.approx(np.clip(old, TRIVIAL, 1.0), abs=1e-12)
        assert new[1] <= new[0] <= new[2]
    assert (cut.tuning[1], cut.published[1]) == (uncut.tuning[1], uncut.published[1])
    assert (cut.comparisons, cut.claim) == (uncut.comparisons, uncut.claim)
    for name, one in uncut.optimizers.items():
        others = [m for m in one.metrics if not m.metric.startswith(SCORES)]
        assert others
        assert others == [
            m for m in cut.optimizers[name].metrics if not m.metric.startswith(SCORES)
        ]


def test_a_score_that_is_no_accuracy_has_no_largest_value(uncut: Summary) -> None:
    design = uncut.design.model_copy(update={"metric": "return"})
    cut = cut_to_possible(uncut.model_copy(update={"design": design}))
    assert max(high for _, _, high in _ends(cut)) > 1
    assert min(low for _, low, _ in _ends(cut)) >= TRIVIAL - 1e-12


def test_whoever_analyses_gets_it_cut() -> None:
    study = study_of(replicates=2)
    found = analyse_data(read_data(trials_of(study), study, facts_of(study)), brief=True)
    assert found == cut_to_possible(found)
    assert min(low for _, low, _ in _ends(found)) >= TRIVIAL - 1e-12
