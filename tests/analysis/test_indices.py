"""Sobol' indices: exact for the surface, and their intervals cover those of the truth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom, qmc

from agsam_tune.analysis.indices import sobol_indices
from agsam_tune.analysis.surface_fit import fit_surface, read_map
from agsam_tune.analysis.unit_cube import axis_of
from tests.analysis.planted import RANGES, TRIVIAL, cliff, hill, planted


def _fit(seed, surface, names=("rho", "alpha"), **more):
    data = planted(np.random.default_rng(seed), {"a": surface}, hyperparameters=names, **more)
    axes = [axis_of(name, RANGES[name]) for name in names]
    return fit_surface(read_map(data.every("a", "map"), axes), margin=0.02)[1]


def _by_sampling(surface, names, log2=16):
    """(method, hyperparameters) → index, from pairs of points that share what is known."""
    H = len(names)
    both = qmc.Sobol(2 * H, rng=np.random.default_rng(0)).random(2**log2)
    one, other = both[:, :H], both[:, H:]
    value_N = surface(one)
    centred_N, whole = value_N - value_N.mean(), value_N.var()

    def closed(known):
        again_N = surface(np.where(np.isin(np.arange(H), known), one, other))
        return float(np.mean(centred_N * (again_N - again_N.mean())) / whole)

    alone = [closed([h]) for h in range(H)]
    found = {("sobol_first", (names[h],)): alone[h] for h in range(H)}
    for h in range(H):
        rest = closed([j for j in range(H) if j != h])
        found["sobol_total", (names[h],)] = 1 - rest
    for h, j in combinations(range(H), 2):
        found["sobol_pair", (names[h], names[j])] = closed([h, j]) - alone[h] - alone[j]
    return {key: max(value, 0.0) for key, value in found.items()}


@pytest.mark.parametrize("surface", [hill, cliff])
def test_they_are_those_of_the_fitted_surface(surface):
    names = ("rho", "alpha", "gamma")
    fit = _fit(1, surface, names)
    expected = _by_sampling(fit.process.predict, names, 12)
    found = {(r.method, r.hyperparameters): r.value for r in sobol_indices(fit, confidence=0.95)}
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=0.015)
    for row in sobol_indices(fit, confidence=0.95):
        assert 0 <= row.low <= row.value <= row.high <= 1


def _steep(unit_NH):
    edge = 0.75 - 0.3 * unit_NH[:, 1]
    return TRIVIAL + 0.41 / (1 + np.exp((unit_NH[:, 0] - edge) / 0.04))


def _at_its_edge(unit_NH):
    return 0.004 + 0.05 * np.exp(-0.5 * ((unit_NH[:, 0] - 0.75 + 0.3 * unit_NH[:, 1]) / 0.06) ** 2)


WORLDS = {
    "hill": (hill, {"noise": 0.01, "data_level": 0.01}),
    "cliff": (cliff, {"noise": 0.004}),
    "a slanted cliff, noisy": (_steep, {"noise": _at_its_edge, "data_level": 0.01}),
}


@pytest.mark.parametrize(
    ("name", "replicates", "studies"),
    [
        ("hill", 8, 20),
        *(
            pytest.param(name, replicates, 500, marks=pytest.mark.slow)
            for name in WORLDS
            for replicates in (4, 16)
        ),
    ],
)
def test_their_intervals_cover(name, replicates, studies):
    surface, more = WORLDS[name]
    truth = _by_sampling(surface, ("rho", "alpha"))
    covered, fitted = dict.fromkeys(truth, 0), 0
    for seed in range(studies):
        fit = _fit(seed, surface, replicates=replicates, **more)
        if fit is None:
            continue
        fitted += 1
        for row in sobol_indices(fit, confidence=0.95):
            key = row.method, row.hyperparameters
            covered[key] += row.low <= truth[key] <= row.high
    print(name, replicates, fitted, {key: n / fitted for key, n in covered.items()})  # noqa: T201
    assert fitted > 0.9 * studies
    assert all(n >= binom.ppf(0.0005, fitted, 0.95) for n in covered.values())
