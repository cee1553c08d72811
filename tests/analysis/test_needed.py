"""How many replicates would decide a lens, against studies that are drawn."""

import numpy as np
import pytest

from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.needed import (
    Spread,
    chance_of_verdict,
    level_of_looks,
    replicates_needed,
    sizes_after,
)
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict, lens_verdict

MARGIN, LEVEL = 0.01, 0.025


def decided(score: Spread, regret: Spread, replicates: int, studies: int = 2000) -> float:
    """The share of drawn studies with a verdict; the two differences are nearly the same one."""
    rng = np.random.default_rng(3)
    count = 0
    for _ in range(studies):
        shared = rng.normal(size=replicates)
        intervals = []
        for one in (score, regret):
            own = 0.95 * shared + np.sqrt(1 - 0.95**2) * rng.normal(size=replicates)
            value_R = one.difference + one.deviation * own
            left_out = (value_R.sum() - value_R) / (replicates - 1)
            estimate = Estimate(value=float(value_R.mean()), left_out=(left_out,))
            intervals.append(estimate.interval(LEVEL))
        count += lens_verdict(*intervals, MARGIN) is not LensVerdict.UNDECIDED
    return count / studies


@pytest.mark.parametrize(
    ("score", "regret"),
    [
        (Spread(difference=0.02, deviation=0.02), Spread(difference=0.015, deviation=0.02)),
        (Spread(difference=0.0, deviation=0.02), Spread(difference=0.001, deviation=0.02)),
        (Spread(difference=-0.03, deviation=0.03), Spread(difference=0.0, deviation=0.01)),
        (Spread(difference=0.0, deviation=0.007), Spread(difference=0.0, deviation=0.004)),
        (Spread(difference=0.06, deviation=0.03), Spread(difference=0.06, deviation=0.03)),
    ],
    ids=["a winner", "no difference", "level", "no difference, few", "a winner, few"],
)
def test_four_of_five_studies_of_the_forecast_size_are_decided(score, regret):
    size = replicates_needed(
        score, regret, margin=MARGIN, level=lambda _: LEVEL, sizes=range(2, 200)
    )
    assert size is not None
    share = decided(score, regret, size)
    assert share > 0.77
    assert decided(score, regret, size // 2) < 0.8  # it is not wasteful either
    assert chance_of_verdict(score, regret, size, margin=MARGIN, level=LEVEL) <= share + 0.03


def test_a_difference_of_the_margins_size_is_never_equivalent_but_wins_in_time():
    at_margin = Spread(difference=MARGIN, deviation=0.05)
    sizes = sizes_after(16)
    assert sizes[:2] == [32, 64]
    found = replicates_needed(
        at_margin, at_margin, margin=MARGIN, level=lambda _: LEVEL, sizes=sizes
    )
    assert found is not None
    beside = Spread(difference=0.0, deviation=0.05)
    # Better by the margin, and what is lost the same: within it for one, never for the other.
    opposite = Spread(difference=-1e-5, deviation=0.05)
    assert (
        replicates_needed(opposite, at_margin, margin=MARGIN, level=lambda _: LEVEL, sizes=sizes)
        is None
    )
    assert chance_of_verdict(beside, beside, 1, margin=MARGIN, level=LEVEL) == 0


def test_a_later_look_must_be_surer_than_a_study_made_for_its_size():
    level = level_of_looks((16,), 64, 0.05)
    alone = level_of_looks((16,), 16, 0.05)
    assert level(32) < alone(32) == pytest.approx(0.05)
    assert level(128) == pytest.approx(0.05)
