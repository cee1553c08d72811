"""How numbers become rows: their intervals, and which way a difference points."""

import numpy as np
import pytest
from scipy.stats import beta

from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.quantities import Quantity, comparison, comparison_rows, metric_row


def share(value: float, *, spread: float = 0.0, metric: str = "share_within_0.01") -> Quantity:
    left_out = value + spread * np.linspace(-1, 1, 16)
    estimate = Estimate(value=value, left_out=(left_out,))
    return Quantity(lens="own_scale", metric=metric, estimate=estimate, trainings=400, share=True)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_share_without_spread_takes_the_exact_bound_of_its_replicates(value):
    row = metric_row(share(value), 0.95)
    far = beta.ppf(0.975, 1, 16)  # none of sixteen
    assert (row.low, row.high) == pytest.approx((0.0, far) if not value else (1 - far, 1.0))


def test_equal_shares_in_every_replicate_are_no_certainty():
    row = metric_row(share(0.75), 0.95)
    assert (row.low, row.high) == pytest.approx((beta.ppf(0.025, 12, 5), beta.ppf(0.975, 13, 4)))


def test_a_whole_share_that_varies_without_a_replicate_takes_the_wider_bound():
    row = metric_row(share(1.0, spread=0.002), 0.95)
    assert (row.low, row.high) == pytest.approx((1 - beta.ppf(0.975, 1, 16), 1.0))
    wide = metric_row(share(1.0, spread=0.1), 0.95)
    assert 0 < wide.low < row.low


def test_shares_stay_between_0_and_1():
    row = metric_row(share(0.01, spread=0.01), 0.95)
    assert 0.0 < row.low < 0.01 < row.high < 1.0
    ours, theirs = (share(x, spread=0.02, metric="collapse_rate") for x in (0.02, 0.97))
    gap = comparison(ours, theirs, ("a", "b"), paired=True, confidence=0.95)
    assert 0.5 < gap.low < gap.estimate < gap.high <= 1.0


def test_a_difference_of_shares_without_spread_is_not_certain():
    row = comparison(share(1.0), share(0.0), ("a", "b"), paired=True, confidence=0.95)
    assert (row.estimate, row.high) == (1.0, 1.0)
    assert 0.6 < row.low < 0.8
    none = comparison(share(0.0), share(0.0), ("a", "b"), paired=True, confidence=0.95)
    assert none.low == -none.high < -0.2
    alike = share(0.1, spread=0.005)  # the same in every replicate
    same = comparison(alike, alike, ("a", "b"), paired=True, confidence=0.95)
    assert same.low == -same.high < -0.02


def test_differences_point_to_who_does_better():
    low, high = (share(x, metric="collapse_rate") for x in (0.1, 0.3))
    rows = comparison_rows([low], [high], ("a", "b"), paired=True, confidence=0.95)
    assert rows[0].estimate == pytest.approx(0.2)
    for metric in ("best", "placement", "share_better"):  # neither more nor less is better
        ours, theirs = (share(x, metric=metric) for x in (0.1, 0.3))
        assert comparison_rows([ours], [theirs], ("a", "b"), paired=True, confidence=0.95) == []


def test_one_replicate_has_a_number_and_no_interval():
    one = Quantity(
        lens="own_scale", metric="score", estimate=Estimate(value=0.9, left_out=(np.array([0.9]),))
    )
    row = metric_row(one, 0.95)
    assert (row.value, row.low, row.high) == (0.9, None, None)
