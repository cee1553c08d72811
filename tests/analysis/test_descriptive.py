"""All that is said of one optimizer: rows of the record, and curves that cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from agsam_tune.analysis.descriptive import describe, map_curves
from agsam_tune.analysis.surfaces import fit_surfaces
from tests.analysis.planted import cliff, data_of, hill, planted, study_of


def test_every_part_is_there_and_in_the_box():
    names = ("rho", "alpha", "gamma")
    data = planted(np.random.default_rng(1), {"a": hill, "b": cliff}, hyperparameters=names)
    found = describe(data, "a", fit_surfaces(data))
    assert found.surface.fitted
    assert {row.method for row in found.importance} == {
        *("ped_anova", "fanova", "sobol_first", "sobol_total", "sobol_pair")
    }
    kinds = [(one.kind, one.hyperparameter) for one in found.curves]
    assert kinds == [*(("map", name) for name in names), ("range", "radius")]
    for one in found.curves:
        assert len(one.x) == len(one.mean) == len(one.low) == len(one.high) == 41
        assert list(one.x) == sorted(one.x)
    assert found.curves[0].x[0] == pytest.approx(0.005)
    assert found.curves[1].x[-1] == pytest.approx(1.0)


def test_without_a_surface_hyperparameters_or_trainings_it_says_so():
    data = planted(np.random.default_rng(2), {"a": hill}, replicates=4)
    bare = describe(data, "a", None)
    assert (bare.surface.fitted, bare.surface.reason) == (False, "no surface was fitted")
    assert {row.method for row in bare.importance} == {"ped_anova", "fanova"}
    sgd = data_of(study_of({"sgd": (), "a": ("rho", "alpha"), "b": ("rho",)}), data.phases, 4)
    plain = describe(sgd, "sgd", fit_surfaces(sgd))
    assert (plain.importance, plain.curves) == ((), ())
    assert plain.effective_number.reason == "the optimizer has no hyperparameters"
    absent = describe(sgd, "b", fit_surfaces(sgd))
    assert absent.surface.reason == "no trainings of the phase map"
    assert absent.curves == ()
    single = describe(planted(np.random.default_rng(3), {"a": hill}, replicates=1), "a", None)
    assert single.curves == ()  # one replicate bears no bands


@pytest.mark.parametrize("studies", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_bands_of_a_curve_cover_at_each_place(studies):
    """Of the smoothed curve, at nine places; data sets shift everything."""

    def curve(rng, replicates):
        own = planted(rng, {"a": cliff}, replicates=replicates, data_level=0.01)
        (one,) = (c for c in map_curves(own, "a") if c.hyperparameter == "rho")
        return one

    places = slice(2, 41, 4)
    truth = np.array(curve(np.random.default_rng(10**6), 600).mean)[places]
    covered = np.zeros(len(truth))
    for seed in range(studies):
        one = curve(np.random.default_rng(seed), 8)
        low, high = (np.array(ends)[places] for ends in (one.low, one.high))
        covered += (low <= truth) & (truth <= high)
    print(covered / studies)  # noqa: T201
    assert covered.mean() >= 0.92 * studies
    assert covered.min() >= binom.ppf(0.0005, studies, 0.88)
