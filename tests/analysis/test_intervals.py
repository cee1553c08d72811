"""Half widths and p-values of a sum of independent parts, and Holm's correction."""

import numpy as np
import pytest
from scipy import stats

from agsam_tune.analysis.intervals import KNOWN, Component, half_width, holm, p_value


def test_one_component_is_student_t() -> None:
    part = Component(variance=0.04, degrees=7)
    assert half_width([part], 0.95) == pytest.approx(stats.t.ppf(0.975, 7) * 0.2)
    assert p_value([part], 0.5) == pytest.approx(2 * stats.t.sf(2.5, 7), rel=1e-4)


def test_a_known_variance_is_normal() -> None:
    part = Component(variance=1.0, degrees=KNOWN)
    assert half_width([part], 0.95) == pytest.approx(1.959964, rel=1e-5)


def test_parts_add_in_squares() -> None:
    parts = [Component(variance=0.04, degrees=7), Component(variance=0.01, degrees=3)]
    wanted = np.hypot(0.2 * stats.t.ppf(0.975, 7), 0.1 * stats.t.ppf(0.975, 3))
    assert half_width(parts, 0.95) == pytest.approx(wanted)


def test_p_value_is_where_the_interval_touches_zero() -> None:
    parts = [Component(variance=0.04, degrees=7), Component(variance=0.01, degrees=3)]
    for difference in (0.05, 0.4, -0.9):
        p = p_value(parts, difference)
        assert half_width(parts, 1 - p) == pytest.approx(abs(difference), rel=1e-4)


def test_p_value_at_the_edges() -> None:
    part = Component(variance=0.04, degrees=7)
    assert p_value([part], 0.0) == 1.0
    assert p_value([Component(variance=0.0, degrees=7)], 0.0) == 1.0
    assert 0 < p_value([Component(variance=0.0, degrees=7)], 0.1) <= 1e-12


def test_holm_as_in_the_paper() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
