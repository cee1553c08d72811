"""The decade of lengths around where an optimizer begins to fail."""

import numpy as np
import pytest

from agsam_tune.analysis.lenses.curves import KeyCurve
from agsam_tune.analysis.lenses.equal_radius import decade_of_radii, radius_at_the_edge
from tests.analysis.lenses.worlds import TRIVIAL, cliff

TOP = 0.92


def _edge(score, *, unit=1.0, high=2.0):
    """Of trainings whose step is `unit` times their key, on every hundredth of a decade."""
    x_N = np.arange(-3, high, 0.01)
    curve = KeyCurve(np.arange(len(x_N)) % 4, x_N, score(x_N), low=-3.0, high=high, replicates=4)
    radius_N = unit * 10**x_N
    radius_N[::7] = np.nan  # diverged in its first step
    return radius_at_the_edge(curve, x_N, radius_N, best=TOP, trivial=TRIVIAL)


@pytest.mark.parametrize("unit", [1.0, 0.3])
def test_the_edge_is_where_nine_tenths_are_kept(unit):
    """A logistic cliff of width 0.12 keeps nine tenths 0.12 · ln 9 decades before its middle."""
    found = _edge(cliff(0.5, top=TOP), unit=unit)
    assert np.log10(found / unit) == pytest.approx(
        0.5 - 0.12 * np.log(9), abs=0.12
    )  # blurred by the kernel


def test_a_dip_before_the_edge_is_not_it():
    whole = _edge(cliff(0.5, top=TOP))
    dipped = _edge(lambda x: cliff(0.5, top=TOP)(x) - 0.2 * (np.abs(x + 1) < 0.3))
    assert dipped == pytest.approx(whole)


def test_where_nothing_fails_no_length_is_known():
    assert _edge(cliff(9.0, top=TOP)) is None
    assert _edge(lambda x: np.full_like(x, TRIVIAL)) is None


def test_the_decade_is_around_the_smaller_of_both():
    low, high = decade_of_radii((0.9, 3.0))
    assert (high / low, np.sqrt(low * high)) == pytest.approx((10.0, 0.9))
