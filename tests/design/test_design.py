"""The points of each phase: balanced, paired, reproducible."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agsam_tune.design import (
    batch_sizes,
    drawn_trials,
    first_fresh_seed,
    misset_factors,
    misset_trials,
    tune_batch,
)
from agsam_tune.study import Study, load_study, misset_layout
from agsam_tune.trials import Trial

STUDIES = Path(__file__).parents[2] / "studies"


def _study(name: str = "moons", *overrides: str) -> Study:
    return load_study(STUDIES / f"{name}.toml", overrides=overrides)


def _points(trials: tuple[Trial, ...], optimizer: str, phase: str) -> dict[int, dict[str, float]]:
    own = [t for t in trials if (t.optimizer, t.phase) == (optimizer, phase)]
    return {t.point: dict(t.hyperparameters) for t in own}


def test_moons_has_the_trials_that_its_file_says() -> None:
    trials = drawn_trials(_study())
    assert len({t.key for t in trials}) == len(trials)
    assert len([t for t in trials if t.phase == "map"]) == 4 * 128 * 4 + 2 * 4
    assert len([t for t in trials if t.phase == "iid"]) == 4 * 128
    assert {t.seed for t in trials if t.phase == "map"} == set(range(4))
    assert all(t.seed == t.point for t in trials if t.phase == "iid")


def test_each_replicate_is_balanced_on_every_axis_and_within_the_box() -> None:
    study = _study()
    trials = [t for t in drawn_trials(study) if t.phase == "map" and t.seed == 0]
    for optimizer in ("sam", "gsam", "adaptive_gsam"):
        space = study.search_spaces[optimizer]
        for replicate in range(8):
            own = [t for t in trials if (t.optimizer, t.replicate) == (optimizer, replicate)]
            assert len(own) == 16
            for name, box in space.ranges.items():
                values = np.array([dict(t.hyperparameters)[name] for t in own])
                low, high = (math.log(v) if box.log else v for v in (box.low, box.high))
                unit = ((np.log(values) if box.log else values) - low) / (high - low)
                assert sorted(np.floor(unit * 16).clip(0, 15)) == list(range(16))


def test_replicates_are_independent_scramblings() -> None:
    points = _points(drawn_trials(_study()), "gsam", "map")
    rho = np.log([points[p]["rho"] for p in range(128)]).reshape(8, 16)
    assert len({tuple(row) for row in rho}) == 8
    unit = (rho - np.log(0.005)) / np.log(8 / 0.005)
    # A point is uniform over the scramblings, so eight of them do not lie in one quarter.
    assert (np.ptp(unit, axis=0) > 0.25).all()


@pytest.mark.parametrize("phase", ["map", "iid"])
def test_designs_are_paired_across_optimizers(phase: str) -> None:
    trials = drawn_trials(_study())
    gsam, adaptive = (_points(trials, o, phase) for o in ("gsam", "adaptive_gsam"))
    sam = _points(trials, "sam", phase)
    assert gsam.keys() == adaptive.keys() == sam.keys()
    for point, values in gsam.items():
        assert adaptive[point]["rho"] == values["rho"] == sam[point]["rho"]
        assert adaptive[point]["alpha"] == values["alpha"]


def test_designs_are_paired_across_tasks_and_differ_by_seed() -> None:
    one, other = _study(), _study("moons", "task_options.noise=0.4", "task_options.n=9000")
    assert drawn_trials(one) == drawn_trials(other)
    assert drawn_trials(one) != drawn_trials(_study("moons", "seed=1"))


def test_a_grid_has_every_cell_once() -> None:
    study = _study("moons", "phases.map.sampler=grid", "phases.map.replicates=1")
    points = _points(drawn_trials(study), "adaptive_gsam", "map").values()
    assert len({tuple(p.values()) for p in points}) == 128
    assert [len({p[name] for p in points}) for name in ("rho", "alpha", "gamma")] == [8, 4, 4]


def test_fixed_points_are_those_of_the_file() -> None:
    study = _study("paper_moons")
    trials = drawn_trials(study)
    assert len(trials) == 20 * len(study.optimizers)
    assert _points(trials, "gsam", "fixed") == {0: {"rho": 0.5, "alpha": 0.04}}
    assert _points(trials, "adaptive_gsam", "fixed") == {
        0: {"rho": 0.5, "alpha": 0.04, "gamma": 0.1}
    }
    assert _points(trials, "sgd", "fixed") == {0: {}}


@pytest.mark.parametrize("sampler", ["tpe", "random", "sobol"])
def test_tune_is_the_same_however_often_it_is_rebuilt(sampler: str) -> None:
    study = _study("moons", f"phases.tune.sampler={sampler}")
    assert batch_sizes(32) == (16, 16)
    assert batch_sizes(20) == (16, 4)
    first = tune_batch(study, "gsam", 0, [])
    told = [
        (dict(t.hyperparameters), -abs(math.log(dict(t.hyperparameters)["rho"])))
        for t in first
        if t.seed == 0
    ]
    second = tune_batch(study, "gsam", 1, told)
    assert second == tune_batch(study, "gsam", 1, told)
    assert tune_batch(study, "gsam", 0, []) == first
    assert {t.point for t in second} == set(range(16, 32))
    values = [t.hyperparameters for t in (*first, *second) if t.seed == 0]
    assert len(set(values)) == 32


def test_tpe_learns_from_what_it_is_told() -> None:
    study = _study()
    first = tune_batch(study, "sam", 0, [])
    told = [
        (dict(t.hyperparameters), -abs(math.log(dict(t.hyperparameters)["rho"] / 0.05)))
        for t in first
        if t.seed == 0
    ]
    second = [t for t in tune_batch(study, "sam", 1, told) if t.seed == 0]
    distance = [
        np.mean([abs(math.log(t.hyperparameters[0][1] / 0.05)) for t in batch])
        for batch in ([t for t in first if t.seed == 0], second)
    ]
    assert distance[1] < distance[0]
    assert tune_batch(study, "sam", 1, [(v, -s) for v, s in told]) != tuple(second)


def test_points_that_did_not_run_are_told_as_failures() -> None:
    study = _study()
    told = [(dict(t.hyperparameters), math.nan) for t in tune_batch(study, "gsam", 0, [])[::4]]
    assert len(tune_batch(study, "gsam", 1, told)) == 64


def test_misset_points_are_the_best_times_the_factors() -> None:
    study = _study()
    best = {"rho": 0.3, "alpha": 0.6, "gamma": 0.05}
    trials = misset_trials(study, "adaptive_gsam", best)
    points = _points(trials, "adaptive_gsam", "misset")
    assert len(points) == 1 + 6 * 3 + 12
    assert (
        {t.seed for t in trials}
        == set(range(4, 12))
        == set(range(first_fresh_seed(study), first_fresh_seed(study) + 8))
    )
    for item in misset_layout(study.hyperparameters):
        factors = misset_factors(study, item)
        for name, value in points[item.point].items():
            expected = best[name] * factors.get(name, 1.0)
            assert value == pytest.approx(min(expected, 1.0) if name == "alpha" else expected)
        if item.kind == "all":
            assert item.factor is not None
            assert set(factors) == {"rho", "alpha", "gamma"}
            limit = math.log(item.factor)
            assert all(-limit <= math.log(f) <= limit for f in factors.values())


def test_misset_uses_the_same_factors_for_every_optimizer() -> None:
    study = _study()
    gsam = _points(misset_trials(study, "gsam", {"rho": 1.0, "alpha": 1e-3}), "gsam", "misset")
    best = {"rho": 0.01, "alpha": 1e-3, "gamma": 0.1}
    other = _points(misset_trials(study, "adaptive_gsam", best), "adaptive_gsam", "misset")
    assert gsam.keys() < other.keys()
    for point, values in gsam.items():
        assert other[point]["rho"] == pytest.approx(values["rho"] / 100)


def test_a_best_value_of_zero_starts_from_the_default() -> None:
    study = _study()
    points = _points(misset_trials(study, "gsam", {"rho": 0.1, "alpha": 0.0}), "gsam", "misset")
    layout = {item.point: item for item in misset_layout(study.hyperparameters)}
    assert points[0]["alpha"] == 0.0
    for point, values in points.items():
        if layout[point].kind == "alpha":
            assert values["alpha"] == pytest.approx(0.04 * (layout[point].factor or 0))


def test_another_process_draws_the_same_design() -> None:
    code = (
        "import json, sys; from pathlib import Path\n"
        "from agsam_tune.design import drawn_trials, tune_batch\n"
        "from agsam_tune.study import load_study\n"
        f"s = load_study(Path({str(STUDIES / 'moons.toml')!r}))\n"
        "t = (*drawn_trials(s), *tune_batch(s, 'gsam', 0, []))\n"
        "print(json.dumps([[x.key, x.hyperparameters] for x in t]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    study = _study()
    own = (*drawn_trials(study), *tune_batch(study, "gsam", 0, []))
    assert done.stdout.splitlines()[-1] == json.dumps([[t.key, t.hyperparameters] for t in own])
