"""The levels of repeated looks: published boundaries, and false verdicts counted by simulation."""

import numpy as np
import pytest
from scipy import stats

from agsam_tune.analysis.verdict.looks import look_level, look_levels


@pytest.mark.parametrize(
    ("looks", "published"),
    [
        # gsDesign's boundaries (sfLDPocock, one-sided 0.025), K. Anderson's R package.
        (2, (2.1570, 2.2010)),
        (5, (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
    ],
)
def test_with_many_replicates_levels_are_the_published_ones(looks, published):
    sizes = [1000 * (look + 1) for look in range(looks)]
    levels = look_levels(tuple(sizes), sizes[-1], 0.05)
    np.testing.assert_allclose(stats.norm.isf(np.array(levels) / 2), published, atol=0.01)


def test_a_study_that_cannot_grow_spends_all_at_once():
    assert look_level([16], 16, 0.05) == pytest.approx(0.05)


def test_the_first_look_of_three_asks_for_what_the_design_says():
    error = [stats.t.isf(look_level([16], 64, level) / 2, 15) for level in (0.05, 0.025)]
    assert error == pytest.approx([2.66, 3.00], abs=0.01)


def test_a_look_that_was_not_planned_spends_too():
    planned, more = look_levels((16, 32, 64), 64, 0.05), look_levels((16, 24, 32, 64), 64, 0.05)
    assert more[2] < planned[1]
    assert more[-1] < planned[-1]


@pytest.mark.parametrize("sizes", [[], [0, 16], [16, 16], [32, 16], [16, 65]])
def test_sizes_that_cannot_be_are_refused(sizes):
    with pytest.raises(ValueError, match="allowed are sizes that grow"):
        look_level(sizes, 64, 0.05)


@pytest.mark.parametrize("sizes", [(2, 4, 8), (4, 5, 16), (16, 32, 64)])
@pytest.mark.parametrize("level", [0.05, 0.025])
def test_false_verdicts_over_all_looks_keep_their_level(sizes, level):
    """Student's t of the replicates so far, at each look; the seed is 11."""
    repetitions = 40_000
    draws = np.random.default_rng(11).normal(size=(repetitions, sizes[-1]))
    wrong = np.zeros(repetitions, dtype=bool)
    for size, own in zip(sizes, look_levels(sizes, sizes[-1], level), strict=True):
        t = draws[:, :size].mean(1) / (draws[:, :size].std(1, ddof=1) / np.sqrt(size))
        wrong |= np.abs(t) > stats.t.isf(own / 2, size - 1)
    low, high = stats.binom.ppf([0.0005, 0.9995], repetitions, level) / repetitions
    assert 0.99 * low <= wrong.mean() <= 1.01 * high
