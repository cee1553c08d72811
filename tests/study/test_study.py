"""The `Study` object: what it holds, its hash, its JSON-able form, and differences of two."""

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agsam_tune.study import (
    FixedPoint,
    Phase,
    Range,
    Study,
    StudyError,
    available_studies,
    canonical_order,
    changed_keys,
    load_study,
)

Write = Callable[[str], Path]


def test_what_the_file_says_is_in_the_study(study_file: Path) -> None:
    study = load_study(study_file)
    assert study.name == "mine"
    assert study.task == "moons"
    assert study.task_options == {
        "n": 10_000,
        "noise": 0.3,
        "width": 32,
        "depth": 3,
        "train_size": 400,
        "val_size": 2_000,
        "label_noise": 0.0,
    }
    assert study.optimizers == ("sgd", "gsam", "adaptive_gsam", "gsam_matched")
    assert tuple(study.search_spaces) == study.optimizers
    assert study.hyperparameters == ("rho", "alpha", "gamma")
    assert study.search_spaces["gsam"].ranges["rho"].high == 4.0
    assert study.search_spaces["adaptive_gsam"].ranges["rho"].high == 8.0
    assert study.search_spaces["sgd"].names == ()
    assert study.training.momentum == 0.9
    assert study.training.base_optimizer == "sgd"
    assert study.packs.rows == 16
    assert study.reference.results[0].test_accuracy == 0.857
    assert study.phases == (
        Phase(name="map", sampler="sobol", points=16, replicates=4, seeds=2),
        Phase(name="tune", sampler="tpe", points=8, seeds=2),
        Phase(name="iid", sampler="random", points=16),
        Phase(name="misset", seeds=2),
        Phase(
            name="fixed",
            seeds=2,
            fixed=(
                FixedPoint(optimizer="sgd"),
                FixedPoint(optimizer="gsam", hyperparameters={"rho": 0.5, "alpha": 0.04}),
            ),
        ),
    )
    assert study.phase("tune") == study.phases[1]


def test_what_is_left_out_has_defaults(write: Write) -> None:
    study = load_study(
        write(
            'task = "moons"\noptimizers = ["gsam"]\n'
            "[training]\nepochs = 1\nbatch_size = 8\nlr = 1\n"
            '[[phases]]\nname = "map"\npoints = 16\nseeds = 1\n'
        )
    )
    assert (study.candidate, study.baseline, study.control, study.seed) == (None, None, None, 0)
    assert study.phase("map") == Phase(name="map", sampler="sobol", points=16, replicates=8)
    assert study.phase("tune") is None
    assert (study.analysis.margin, study.analysis.confidence) == (0.005, 0.95)
    assert study.analysis.epsilons == (0.01, 0.03, 0.05)
    assert (study.packs.rows, study.resources.cpus, study.resources.gpus) == ("auto", 1.0, 0.0)
    assert (study.reference.source, study.reference.results) == ("", ())
    assert (study.training.momentum, study.training.warmup) == (0.0, 0)


@pytest.mark.parametrize(
    "line", ['sampler = "grid"', 'sampler = "random"', 'sampler = "random"\nreplicates = 8']
)
def test_a_map_need_not_be_a_sobol_design(write: Write, valid: str, line: str) -> None:
    text = valid.replace("points = 16\nreplicates = 4", f"points = 24\n{line}")
    phase = load_study(write(text)).phase("map")
    assert phase is not None
    assert phase.replicates == (8 if "replicates" in line else 1)


def test_ones_own_task_has_options_of_its_own(write: Write, valid: str) -> None:
    text = valid.replace('"moons"', '"my.task:build"', 1)
    study = load_study(write(text.replace("train_size = 400", "a = 1\nb = ['x', {c = 0.5}]")))
    assert study.task_options == {"a": 1, "b": ["x", {"c": 0.5}]}
    assert Study.from_resolved(json.loads(json.dumps(study.resolved()))) == study


def test_nesterov_may_use_a_momentum_that_is_searched(write: Write, valid: str) -> None:
    space = "[search_spaces.adaptive_gsam.momentum]\nlow = 0.1\nhigh = 0.9\ndefault = 0.5\n"
    text = valid.replace("momentum = 0.9", "nesterov = true")
    assert load_study(write(text.replace("[[phases]]", f"{space}[[phases]]", 1))).training.nesterov


def test_hyperparameters_are_in_one_order() -> None:
    names = canonical_order(["weight_decay", "gamma", "lam", "rho", "alpha", "beta", "rho"])
    assert names == ("rho", "alpha", "gamma", "beta", "lam", "weight_decay")


class TestImmutable:
    def test_fields(self, study_file: Path) -> None:
        study = load_study(study_file)
        with pytest.raises(ValidationError):
            study.seed = 1  # type: ignore[misc]
        with pytest.raises(TypeError):
            study.search_spaces["gsam"] = study.search_spaces["sgd"]
        with pytest.raises(TypeError):
            study.search_spaces.update({})
        with pytest.raises(TypeError):
            study.search_spaces["gsam"].ranges.pop("rho")
        with pytest.raises(TypeError):
            study.phases[4].fixed[1].hyperparameters["rho"] = 0.1
        with pytest.raises(TypeError):
            study.task_options |= {"n": 3}

    def test_copies(self, study_file: Path) -> None:
        study = load_study(study_file)
        assert pickle.loads(pickle.dumps(study)) == study  # noqa: S301 - made in this line
        assert copy.deepcopy(study) == study
        assert hash(pickle.loads(pickle.dumps(study))) == hash(study)  # noqa: S301

    def test_the_error_can_be_sent_to_another_process(self, tmp_path: Path) -> None:
        with pytest.raises(StudyError) as caught:
            load_study(tmp_path / "x.toml")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


class TestRange:
    def test_all_of_its_problems_are_named(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Range(low=-1.0, high=-2.0, log=True, default=0.0)
        assert "low < high" in str(caught.value)
        assert "low > 0" in str(caught.value)


class TestResolved:
    @pytest.mark.parametrize("name", sorted(available_studies()))
    def test_round_trip_of_what_is_shipped(self, name: str) -> None:
        study = load_study(available_studies()[name])
        resolved = json.loads(json.dumps(study.resolved(), allow_nan=False))
        again = Study.from_resolved(resolved)
        assert again == study
        assert again.hash == study.hash
        assert again.resolved() == resolved
        assert tuple(again.search_spaces["gsam"].ranges)[:2] == ("rho", "alpha")

    def test_something_else_is_refused(self, study_file: Path) -> None:
        resolved = load_study(study_file).resolved()
        del resolved["training"]["lr"]
        resolved["sed"] = 0
        with pytest.raises(StudyError) as caught:
            Study.from_resolved(resolved)
        assert {problem.key for problem in caught.value.problems} == {"training.lr", "sed"}


def shuffled(value: Any) -> Any:
    """The same tables with their keys the other way round."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


class TestHash:
    def test_it_is_the_same_in_another_process(self, study_file: Path) -> None:
        program = (
            "import sys, pathlib, agsam_tune.study as s;"
            "print(s.load_study(pathlib.Path(sys.argv[1])).hash)"
        )
        other = subprocess.run(
            [sys.executable, "-c", program, str(study_file)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert other.stdout.strip() == load_study(study_file).hash

    def test_it_does_not_depend_on_the_order_of_keys(self, study_file: Path) -> None:
        study = load_study(study_file)
        assert Study.from_resolved(shuffled(study.resolved())).hash == study.hash

    def test_it_does_not_depend_on_the_order_of_phases(self, write: Write, valid: str) -> None:
        head, *phases, last = valid.split("[[phases]]")
        study = load_study(write(valid))
        other = load_study(write("[[phases]]".join([head, *reversed(phases), last])))
        assert other == study

    @pytest.mark.parametrize(
        "override",
        ["packs.rows=3", 'packs.rows="auto"', "resources.cpus=4", "resources.gpus=0.5"],
    )
    def test_it_does_not_depend_on_where_the_study_runs(
        self, study_file: Path, override: str
    ) -> None:
        study, other = load_study(study_file), load_study(study_file, overrides=[override])
        assert other != study
        assert other.hash == study.hash
        assert changed_keys(study.resolved(), other.resolved()) == []

    @pytest.mark.parametrize(
        ("override", "line"),
        [
            ("training.lr=0.1", "training.lr: 0.05 → 0.1"),
            ("training.nesterov=true", "training.nesterov: false → true"),
            ("seed=1", "seed: 0 → 1"),
            ("task_options.noise=0.2", "task_options.noise: 0.3 → 0.2"),
            ("search_spaces.gsam.rho.high=3.0", "search_spaces.gsam.rho.high: 4.0 → 3.0"),
            (
                "search_spaces.adaptive_gsam.lr={low=1, high=2, default=1}",
                "search_spaces.adaptive_gsam.lr.low: ",
            ),
            ("phases.map.points=32", "phases.map.points: 16 → 32"),
            ("phases.map.replicates=2", "phases.map.replicates: 4 → 2"),
            ("phases.misset.seeds=3", "phases.misset.seeds: 2 → 3"),
            ("phases.tune.sampler=gp", "phases.tune.sampler: 'tpe' → 'gp'"),
            ("phases.fixed.points.gsam.rho=0.1", "phases.fixed.points[1].rho: 0.5 → 0.1"),
            ("analysis.confidence=0.9", "analysis.confidence: 0.95 → 0.9"),
            ("analysis.epsilons=[0.1]", "analysis.epsilons: [0.01, 0.03, 0.05] → [0.1]"),
            ("reference.source=x", "reference.source: 'a paper' → 'x'"),
            ("baseline=sgd", "baseline: 'gsam' → 'sgd'"),
        ],
    )
    def test_it_depends_on_all_else(self, study_file: Path, override: str, line: str) -> None:
        study, other = load_study(study_file), load_study(study_file, overrides=[override])
        assert other.hash != study.hash
        changes = changed_keys(study.resolved(), other.resolved())
        assert changes[0].startswith(line)
        assert len(changes) == (4 if ".lr={" in override else 1)
        assert changed_keys(other.resolved(), study.resolved())

    def test_it_depends_on_the_name(self, study_file: Path) -> None:
        study = load_study(study_file)
        other = load_study(study_file.rename(study_file.with_name("other.toml")))
        assert other.hash != study.hash
        assert changed_keys(study.resolved(), other.resolved()) == ["name: 'mine' → 'other'"]

    def test_a_phase_more_and_an_optimizer_less(self, write: Write, valid: str) -> None:
        study = load_study(write(valid))
        text = valid.replace('[[phases]]\nname = "iid"\npoints = 16\n', "")
        other = load_study(
            write(
                text.replace('"sgd", ', "")
                .replace("[[phases.points]]\n", "", 1)
                .replace('optimizer = "sgd"\n', "")
            )
        )
        changes = changed_keys(study.resolved(), other.resolved())
        assert "phases.iid.points: 16 → (absent)" in changes
        assert any(line.startswith("optimizers: ['sgd', ") for line in changes)
        assert "phases.iid.points: (absent) → 16" in changed_keys(
            other.resolved(), study.resolved()
        )

    def test_whole_numbers_may_be_written_either_way(self, study_file: Path) -> None:
        one = load_study(study_file, overrides=["search_spaces.gsam.rho.high=4"])
        assert one.hash == load_study(study_file).hash


def test_importing_is_quick_and_light() -> None:
    program = (
        "import sys, agsam_tune.study as s; s.available_search_spaces(); s.available_studies();"
        "heavy = 'torch ray optuna pandas scipy sklearn matplotlib numpy'.split();"
        "sys.exit(str([name for name in heavy if name in sys.modules] or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stderr.strip(), done.stdout) == ("", "")


class TestShipped:
    def test_names(self) -> None:
        assert set(available_studies()) >= {"moons", "paper_moons", "quick"}

    def test_moons_is_the_designs_example(self) -> None:
        study = load_study(available_studies()["moons"])
        assert study.optimizers == ("sgd", "sgd_2x", "sam", "gsam", "adaptive_gsam", "gsam_matched")
        assert (study.candidate, study.baseline, study.control) == (
            "adaptive_gsam",
            "gsam",
            "gsam_matched",
        )
        assert [phase.name for phase in study.phases] == ["map", "tune", "iid", "misset"]
        assert [phase.points for phase in study.phases] == [128, 32, 128, None]
        assert (study.training.epochs, study.training.lr, study.training.momentum) == (
            30,
            0.05,
            0.9,
        )

    def test_paper_moons_is_the_papers_protocol(self) -> None:
        study = load_study(available_studies()["paper_moons"])
        training = study.training
        assert (training.epochs, training.batch_size, training.lr) == (50, 64, 0.01)
        assert (training.momentum, training.weight_decay) == (0.0, 0.0)
        (phase,) = study.phases
        assert (phase.name, phase.seeds) == ("fixed", 20)
        points = {point.optimizer: dict(point.hyperparameters) for point in phase.fixed}
        assert points == {
            "sgd": {},
            "sgd_2x": {},
            "sam": {"rho": 0.5},
            "gsam": {"rho": 0.5, "alpha": 0.04},
            "adaptive_gsam": {"rho": 0.5, "alpha": 0.04, "gamma": 0.1},
            "gsam_matched": {"rho": 0.5, "alpha": 0.04, "gamma": 0.1},
        }
        published = {
            result.optimizer: (result.test_accuracy, result.test_loss)
            for result in study.reference.results
        }
        assert published == {"adaptive_gsam": (0.89, 0.27), "gsam": (0.857, 0.33)}

    def test_quick_has_all_phases_and_is_small(self) -> None:
        study = load_study(available_studies()["quick"])
        assert [phase.name for phase in study.phases] == ["map", "tune", "iid", "misset"]
        assert len(study.optimizers) == 3
