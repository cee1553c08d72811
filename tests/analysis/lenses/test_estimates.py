"""Means over replicates and their differences: Student's and Welch's intervals, and jackknifes."""

import numpy as np
import pytest
from scipy import stats

from agsam_tune.analysis.lenses.estimates import Estimate, difference, mean_estimate

RNG = np.random.default_rng(5)


def _mean(value_R):
    return mean_estimate(np.arange(len(value_R)), np.asarray(value_R), replicates=len(value_R))


def test_a_mean_has_students_interval():
    value_R = RNG.normal(size=9)
    found = _mean(value_R).interval(0.05)
    expected = stats.t.interval(0.95, 8, value_R.mean(), stats.sem(value_R))
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-12)


def test_trainings_of_a_replicate_count_as_one():
    value_RN = RNG.normal(size=(6, 5))
    found = mean_estimate(np.repeat(np.arange(6), 5), value_RN.ravel(), replicates=6)
    expected = _mean(value_RN.mean(axis=1))
    assert found.value == pytest.approx(expected.value)
    assert found.standard_error == pytest.approx(expected.standard_error)


def test_paired_and_unpaired_differences_are_those_of_scipy():
    one, other = RNG.normal(size=8), RNG.normal(1, 3, size=8)
    paired = difference(_mean(one), _mean(other), paired=True)
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert (paired.interval(0.05).low, paired.interval(0.05).high) == pytest.approx(expected)
    more = RNG.normal(1, 3, size=13)
    unpaired = difference(_mean(one), _mean(more), paired=False)
    expected = stats.ttest_ind(one, more, equal_var=False).confidence_interval(0.95)
    assert (unpaired.interval(0.05).low, unpaired.interval(0.05).high) == pytest.approx(expected)


def test_one_replicate_says_nothing_of_the_spread():
    interval = _mean([0.5]).interval(0.05)
    assert (interval.low, interval.high) == (-np.inf, np.inf)


def test_trainings_of_one_replicate_among_several_say_nothing_of_the_spread():
    found = mean_estimate(np.array([1, 1, 1]), np.array([0.1, 0.2, 0.3]), replicates=4)
    assert found.value == pytest.approx(0.2)
    assert (found.interval(0.05).low, found.interval(0.05).high) == (-np.inf, np.inf)


def test_two_values_that_agree_have_no_width():
    assert _mean([0.5, 0.5]).interval(0.05).within(0.6)


def test_the_order_of_a_difference_only_turns_its_sign():
    one, other = _mean(RNG.normal(size=5)), _mean(RNG.normal(size=5))
    ahead, back = one - other, other - one
    assert (ahead.value, ahead.standard_error) == (-back.value, back.standard_error)
    assert isinstance(ahead, Estimate)
