"""The points of each phase: paired, independent between replicates, reproducible."""

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy import stats

from agsam_tune.design import (
    BATCH,
    batch_sizes,
    drawn_trials,
    misset_trials,
    radius_trials,
    tune_batch,
)
from agsam_tune.study import MISSET_FACTORS, Study, load_study, misset_kind, planned_trials
from agsam_tune.trials import Trial

STUDIES = Path(__file__).parents[2] / "studies"
ENDS = (0.3, 3.0)
PAIR = ("gsam", "adaptive_gsam")


def _study(name: str = "moons", *overrides: str) -> Study:
    return load_study(STUDIES / f"{name}.toml", overrides=overrides)


MOONS = _study()
DRAWN = drawn_trials(MOONS, radius_range=ENDS)


def _values(trials: tuple[Trial, ...], optimizer: str, phase: str, name: str) -> np.ndarray:
    """Of one hyperparameter at each point, in order."""
    own = [t for t in trials if (t.optimizer, t.phase, t.seed) == (optimizer, phase, 0)]
    return np.array([dict(t.hyperparameters)[name] for t in own])


def _log_unit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.log(values / low) / np.log(high / low)


@pytest.mark.parametrize("name", ["moons", "quick", "digits", "moons_lr", "paper_moons"])
def test_a_study_has_the_trials_that_are_planned(name: str) -> None:
    study = _study(name)
    trials = drawn_trials(study, radius_range=ENDS)
    assert len({t.key for t in trials}) == len(trials)
    counted = Counter((t.optimizer, t.phase) for t in trials)
    planned = planned_trials(study)
    assert counted == {k: n for k, n in planned.items() if k[1] not in ("tune", "misset")}


def test_points_are_numbered_through_the_replicates() -> None:
    for trial in DRAWN:
        phase = MOONS.phase(trial.phase)
        points = 1 if trial.phase == "default" else (phase and phase.points) or 0
        assert trial.point == trial.replicate * points + trial.index
        assert 0 <= trial.index < points
        assert 0 <= trial.replicate < MOONS.replicates


def test_every_fourth_point_of_the_map_has_a_second_seed() -> None:
    seeds: dict[tuple[str, int], list[int]] = {}
    for trial in DRAWN:
        if trial.phase == "map":
            assert (trial.index == 0) or trial.optimizer not in ("sgd", "sgd_2x")
            seeds.setdefault((trial.optimizer, trial.index), []).append(trial.seed)
    for (optimizer, index), found in seeds.items():
        twice = index % 4 == 0 and optimizer not in ("sgd", "sgd_2x")
        assert Counter(found) == {0: 16, 1: 16} if twice else {0: 16}


def test_each_replicate_of_the_map_is_balanced_on_every_axis_and_within_the_box() -> None:
    for optimizer in ("sam", "gsam", "adaptive_gsam"):
        for name, box in MOONS.search_spaces[optimizer].ranges.items():
            values = _values(DRAWN, optimizer, "map", name)
            linear = (values - box.low) / (box.high - box.low)
            unit = _log_unit(values, box.low, box.high) if box.log else linear
            for own in unit.reshape(16, 16):
                assert sorted(np.floor(own * 16).clip(0, 15)) == list(range(16))


@pytest.mark.parametrize("phase", ["map", "key", "off", "radius"])
def test_replicates_are_independent_and_more_of_them_append(phase: str) -> None:
    more = _study("moons", "replicates=17")
    grown = [t for t in drawn_trials(more, radius_range=ENDS) if t.phase == phase]
    before = [t for t in DRAWN if t.phase == phase]
    assert set(before) < set(grown)
    rho = np.log(_values(DRAWN, "gsam", phase, "rho")).reshape(16, -1)
    assert len({tuple(row) for row in rho}) == 16
    # A point is uniform over the replicates, so sixteen of them do not lie in one quarter.
    assert (np.ptp(rho, axis=0) > 0.25 * np.ptp(rho)).all()


@pytest.mark.parametrize("phase", ["map", "key", "off", "radius"])
def test_draws_are_paired_across_optimizers_and_tasks_and_differ_by_seed(phase: str) -> None:
    for name in ("rho", "alpha"):
        one, other = (_values(DRAWN, o, phase, name) for o in PAIR)
        assert one.tolist() == other.tolist()
    task = _study("moons", "task_options.noise=0.4", "task_options.n=9000")
    assert drawn_trials(task, radius_range=ENDS) == DRAWN
    seed = _study("moons", "seed=1")
    other = _values(drawn_trials(seed, radius_range=ENDS), "gsam", phase, "rho")
    assert set(other).isdisjoint(_values(DRAWN, "gsam", phase, "rho"))


def _one_in_each_part(unit: np.ndarray) -> bool:
    """Whether each of 16 replicates has one of its n draws in each nth of the range."""
    parts = unit.reshape(16, -1)
    n = parts.shape[1]
    return all(sorted(np.floor(own * n)) == list(range(n)) for own in parts)


def test_in_key_all_but_the_key_stands_at_the_baseline_s_default() -> None:
    study = _study("moons", "search_spaces.adaptive_gsam.alpha.default=0.5")
    trials = drawn_trials(study)
    for optimizer in PAIR:
        assert set(_values(trials, optimizer, "key", "alpha")) == {0.04}
        unit = _log_unit(_values(trials, optimizer, "key", "rho"), 0.0005, 80.0)
        assert _one_in_each_part(unit)
    assert set(_values(trials, "adaptive_gsam", "default", "alpha")) == {0.5}


def test_the_key_is_drawn_over_both_boxes_and_a_hyperparameter_that_one_has_does_not_matter() -> (
    None
):
    wider = _study("moons", "search_spaces.gsam.rho.high=80.0")
    unit = _log_unit(_values(drawn_trials(wider), "adaptive_gsam", "off", "rho"), 0.0005, 800.0)
    assert unit.max() > 0.99
    added = "search_spaces.gsam.weight_decay={low=0.001, high=1.0, log=true, default=0.1}"
    other = drawn_trials(_study("moons", added))
    for phase in ("key", "off"):
        assert (_values(other, "gsam", phase, "rho") == _values(DRAWN, "gsam", phase, "rho")).all()


@pytest.mark.parametrize("factor", [3.0, 10.0])
def test_in_off_everything_is_off_at_once(factor: float) -> None:
    study = _study("moons", f"phases.off.factor={factor}")
    trials = drawn_trials(study, radius_range=ENDS)
    for phase in ("off", "radius"):
        off = {n: _values(trials, "adaptive_gsam", phase, n) for n in ("alpha", "gamma")}
        for name, default in (("alpha", 0.04), ("gamma", 0.1)):
            unit = _log_unit(off[name], default / factor, default * factor)
            assert stats.kstest(unit, "uniform").pvalue > 0.5  # stratified: nearer than chance
            assert len(np.unique(off[name])) == len(off[name])
        assert abs(np.corrcoef(off["alpha"], off["gamma"])[0, 1]) < 0.2
    rho = _values(trials, "gsam", "off", "rho")
    assert stats.kstest(_log_unit(rho, 0.005 / factor, 8 * factor), "uniform").pvalue > 0.5


def test_a_draw_beyond_what_may_never_be_left_is_clipped() -> None:
    study = _study("moons", "search_spaces.gsam.rho.max=9.0")
    rho = _values(drawn_trials(study), "gsam", "off", "rho")
    free = _values(drawn_trials(study), "adaptive_gsam", "off", "rho")
    assert (rho == np.minimum(free, 9.0)).all()
    assert (rho == 9.0).any()


def test_radius_has_its_length_in_rho_whatever_the_box() -> None:
    assert not [t for t in drawn_trials(MOONS) if t.phase == "radius"]
    found = radius_trials(MOONS, ENDS)
    assert found == tuple(t for t in DRAWN if t.phase == "radius")
    unit = _log_unit(_values(found, "gsam", "radius", "rho"), *ENDS)
    assert _one_in_each_part(unit)
    given = _study("moons", "phases.radius.low=20.0", "phases.radius.high=40.0")
    own = drawn_trials(given, radius_range=ENDS)
    assert own == drawn_trials(given)
    assert 20 <= _values(own, "gsam", "radius", "rho").min() < 21


def test_a_grid_has_every_cell_once() -> None:
    study = _study("moons", "phases.map.sampler=grid", "phases.map.points=128", "replicates=1")
    trials = [t for t in drawn_trials(study) if t.key[:2] == ("adaptive_gsam", "map")]
    points = [dict(t.hyperparameters) for t in trials if t.seed == 0]
    assert len({tuple(p.values()) for p in points}) == 128
    assert [len({p[name] for p in points}) for name in ("rho", "alpha", "gamma")] == [8, 4, 4]


def test_fixed_points_are_those_of_the_file_and_each_seed_is_a_replicate() -> None:
    study = _study("paper_moons")
    trials = drawn_trials(study)
    assert len(trials) == 20 * len(study.optimizers)
    assert all((t.point, t.index, t.replicate) == (0, 0, t.seed) for t in trials)
    settings = {t.optimizer: dict(t.hyperparameters) for t in trials}
    assert settings["gsam"] == {"rho": 0.5, "alpha": 0.04}
    assert settings["sgd"] == {}


class TestTune:
    @pytest.mark.parametrize("sampler", ["tpe", "random", "sobol"])
    def test_it_is_the_same_however_often_it_is_rebuilt(self, sampler: str) -> None:
        study = _study("moons", f"phases.tune.sampler={sampler}")
        first = tune_batch(study, "gsam", 3, 0, [])
        told = [(dict(t.hyperparameters), dict(t.hyperparameters)["rho"]) for t in first]
        second = tune_batch(study, "gsam", 3, 1, told)
        assert second == tune_batch(study, "gsam", 3, 1, told)
        assert tune_batch(study, "gsam", 3, 0, []) == first
        assert [t.point for t in (*first, *second)] == list(range(48, 48 + 2 * BATCH))
        assert {t.replicate for t in second} == {3}
        assert len({t.hyperparameters for t in (*first, *second)}) == 2 * BATCH
        assert tune_batch(study, "gsam", 4, 0, [])[0].hyperparameters != first[0].hyperparameters

    def test_batches(self) -> None:
        assert batch_sizes(2 * BATCH) == (BATCH, BATCH)
        assert batch_sizes(BATCH + 1) == (BATCH, 1)

    def test_tpe_learns_within_a_search_of_the_usual_size(self) -> None:
        def far(trial: Trial) -> float:
            return abs(math.log(dict(trial.hyperparameters)["rho"] / 0.05))

        drawn, asked = [], []
        for replicate in range(24):
            search: list[Trial] = []
            for batch in range(len(batch_sizes(16))):
                told = [(dict(t.hyperparameters), -far(t)) for t in search]
                search += tune_batch(MOONS, "gsam", replicate, batch, told)
            drawn += search[:10]
            asked += search[10:]
        assert np.mean([far(t) for t in asked]) < 0.8 * np.mean([far(t) for t in drawn])

    def test_points_that_did_not_run_are_told_as_failures(self) -> None:
        told = [(dict(t.hyperparameters), math.nan) for t in tune_batch(MOONS, "gsam", 0, 0, [])]
        assert len(tune_batch(MOONS, "gsam", 0, 1, told)) == BATCH


class TestMisset:
    BEST: ClassVar = {"rho": 0.3, "alpha": 0.02, "gamma": 0.05}

    def _settings(self, optimizer: str, replicate: int) -> list[dict[str, float]]:
        trials = misset_trials(MOONS, optimizer, replicate, self.BEST)
        assert [t.index for t in trials] == [0, 1, 2, 3]
        assert {t.seed for t in trials} == {0}
        return [dict(t.hyperparameters) for t in trials]

    def test_half_has_all_off_and_half_has_one(self) -> None:
        alone = set()
        for replicate in range(64):
            for index, values in enumerate(self._settings("adaptive_gsam", replicate)):
                factors = {n: values[n] / self.BEST[n] for n in values}
                kind = misset_kind(MOONS, "adaptive_gsam", replicate, index)
                if index % 2 == 0:
                    assert (kind.hyperparameter, kind.factor) == (None, None)
                    assert all(0.1 <= f <= 10 and f != 1 for f in factors.values())
                else:
                    assert kind.factor in MISSET_FACTORS
                    expected = {**dict.fromkeys(self.BEST, 1.0), kind.hyperparameter: kind.factor}
                    assert factors == pytest.approx(expected)
                    alone.add((kind.hyperparameter, kind.factor))
        assert len(alone) == 3 * 6

    def test_what_both_have_is_off_alike(self) -> None:
        for replicate in range(8):
            one, other = (self._settings(o, replicate) for o in PAIR)
            for index in range(4):
                kinds = [misset_kind(MOONS, o, replicate, index) for o in PAIR]
                assert kinds[0].factor == kinds[1].factor
                if kinds[1].hyperparameter != "gamma":
                    assert kinds[0] == kinds[1]
                    assert one[index] == {n: other[index][n] for n in ("rho", "alpha")}

    def test_a_best_value_of_zero_starts_from_the_default(self) -> None:
        for trial in misset_trials(MOONS, "gsam", 0, {"rho": 0.1, "alpha": 0.0})[::2]:
            assert 0.004 <= dict(trial.hyperparameters)["alpha"] <= 0.4

    def test_what_may_never_be_left_is_not(self) -> None:
        best = {"rho": 0.1, "alpha": 0.9}
        found = [misset_trials(MOONS, "gsam", r, best) for r in range(16)]
        alpha = [dict(t.hyperparameters)["alpha"] for trials in found for t in trials]
        assert max(alpha) == 1.0


def test_another_process_draws_the_same_design() -> None:
    code = (
        "import json, sys; from pathlib import Path\n"
        "from agsam_tune.design import drawn_trials, misset_trials, tune_batch\n"
        "from agsam_tune.study import load_study\n"
        f"s = load_study(Path({str(STUDIES / 'moons.toml')!r}))\n"
        "t = (*drawn_trials(s), *tune_batch(s, 'gsam', 1, 0, []))\n"
        "t += misset_trials(s, 'gsam', 2, {'rho': 0.1, 'alpha': 0.2})\n"
        "print(json.dumps([[x.key, x.hyperparameters] for x in t]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = (*drawn_trials(MOONS), *tune_batch(MOONS, "gsam", 1, 0, []))
    own += misset_trials(MOONS, "gsam", 2, {"rho": 0.1, "alpha": 0.2})
    assert done.stdout.splitlines()[-1] == json.dumps([[t.key, t.hyperparameters] for t in own])
