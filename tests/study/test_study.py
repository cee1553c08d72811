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
    planned_trials,
)
from agsam_tune.study.model import PHASE_NAMES

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
        Phase(name="map", sampler="sobol", points=16),
        Phase(name="key", points=6),
        Phase(name="off", points=6, factor=10.0),
        Phase(name="radius", points=4),
        Phase(name="tune", sampler="tpe", points=8),
        Phase(name="misset", points=4),
        Phase(name="default"),
        Phase(name="iid", sampler="random", points=16),
        Phase(
            name="fixed",
            seeds=2,
            fixed=(
                FixedPoint(optimizer="sgd"),
                FixedPoint(optimizer="gsam", hyperparameters={"rho": 0.5, "alpha": 0.04}),
            ),
        ),
    )
    assert study.phase("tune") == study.phases[4]
    assert (study.format, study.replicates, study.data) == (2, 4, "per_replicate")


def test_what_is_left_out_has_defaults(write: Write) -> None:
    study = load_study(
        write(
            'task = "moons"\noptimizers = ["gsam"]\n'
            "[training]\nepochs = 1\nbatch_size = 8\nlr = 1\n"
            '[[phases]]\nname = "map"\npoints = 16\n'
        )
    )
    assert (study.candidate, study.baseline, study.control, study.seed) == (None, None, None, 0)
    assert study.phase("map") == Phase(name="map", sampler="sobol", points=16)
    assert (study.replicates, study.looks, study.data) == (16, (16,), "per_replicate")
    assert (study.key, study.key_box, study.factor) == ("rho", (0.005, 8.0), 10.0)
    assert study.phase("tune") is None
    assert (study.analysis.margin, study.analysis.confidence) == (0.02, 0.95)
    assert study.analysis.epsilons == (0.01, 0.03, 0.05)
    assert (study.packs.rows, study.resources.cpus, study.resources.gpus) == ("auto", 1.0, 0.0)
    assert (study.reference.source, study.reference.results) == ("", ())
    assert (study.training.momentum, study.training.warmup) == (0.0, 0)


@pytest.mark.parametrize("sampler", ["grid", "random"])
def test_a_map_need_not_be_a_sobol_design(write: Write, valid: str, sampler: str) -> None:
    text = valid.replace("points = 16", f'points = 24\nsampler = "{sampler}"', 1)
    phase = load_study(write(text)).phase("map")
    assert phase == Phase(name="map", sampler=sampler, points=24)


class TestWhatIsCompared:
    """Whose points a phase trains, by which key, and around what."""

    def test_phases_are_for_the_pair_but_map_and_default(self, study_file: Path) -> None:
        study = load_study(study_file, overrides=["phases.tune.optimizers=['gsam_matched']"])
        tuned = ("gsam", "adaptive_gsam", "gsam_matched")
        assert study.optimizers_of("map") == ("sgd", *tuned)
        assert study.optimizers_of("default") == tuned
        assert study.optimizers_of("tune") == ("gsam_matched",)
        assert study.optimizers_of("fixed") == ("sgd", "gsam")
        for name in ("key", "off", "radius", "misset", "iid"):
            assert study.optimizers_of(name) == ("gsam", "adaptive_gsam")

    def test_the_key_is_rho_else_lr_else_what_the_study_says(self, study_file: Path) -> None:
        study = load_study(study_file)
        assert (study.key, study.key_box) == ("rho", (0.005, 8.0))
        lr = "{low=0.01, high=1.0, log=true, default=0.1}"
        of_lr = ["candidate=gsam", "baseline=sgd", "control=adaptive_gsam"]
        of_lr += [f"search_spaces.{name}.lr={lr}" for name in ("sgd", "gsam")]
        of_lr += [f"phases.fixed.points.{name}.lr=0.1" for name in ("sgd", "gsam")]
        assert load_study(study_file, overrides=of_lr).key == "lr"
        named = load_study(
            study_file,
            overrides=[
                "analysis.key=alpha",
                "baseline=gsam_matched",
                "control=gsam",
                "search_spaces.gsam_matched.alpha.low=0.01",
                "search_spaces.adaptive_gsam.alpha.low=0.001",
            ],
        )
        assert (named.key, named.key_box) == ("alpha", (0.001, 1.0))

    def test_what_cannot_be_compared_has_no_trials(self, study_file: Path) -> None:
        study = load_study(study_file, overrides=["baseline=sgd", "control=gsam"])
        assert study.key is None
        for name in ("key", "off", "radius"):
            assert study.optimizers_of(name) == ()
        assert study.optimizers_of("tune") == ("adaptive_gsam",)

    def test_an_optimizer_alone_may_be_compared_with_another_run_s(self, write: Write) -> None:
        def alone(optimizer: str, table: str = "", *phases: str) -> Study:
            text = f'task = "moons"\noptimizers = ["{optimizer}"]\nreplicates = 4\n{table}\n'
            text += "[training]\nepochs = 1\nbatch_size = 8\nlr = 0.1\n"
            text += "".join(f'[[phases]]\nname = "{name}"\npoints = 4\n' for name in phases)
            return load_study(write(text))

        lr = "[search_spaces.sgd.lr]\nlow = 0.01\nhigh = 1.0\nlog = true\ndefault = 0.1"
        sgd = alone("sgd", lr, "map", "key", "off")
        assert (sgd.key, sgd.key_box) == ("lr", (0.01, 1.0))
        assert {sgd.optimizers_of(name) for name in ("map", "key", "off")} == {("sgd",)}
        gsam = alone("gsam", "", "key", "radius")
        assert (gsam.key, gsam.optimizers_of("radius")) == ("rho", ("gsam",))
        # Without a key, or an ascent step, there is nothing to compare.
        with pytest.raises(StudyError, match=r"phases\.key: found no candidate and no baseline"):
            alone("sgd", "", "map", "key")
        with pytest.raises(StudyError, match=r"phases\.radius: found no candidate and no baseli"):
            alone("sgd", lr, "key", "radius")

    def test_both_are_off_around_the_default_of_the_first_in_the_list(
        self, study_file: Path, write: Write, valid: str
    ) -> None:
        study = load_study(study_file, overrides=["search_spaces.gsam.alpha.default=0.1"])
        assert study.centre("gsam") == {"rho": 0.5, "alpha": 0.1}
        assert study.centre("adaptive_gsam") == {"rho": 0.5, "alpha": 0.1, "gamma": 0.1}
        roles = ["candidate=gsam", "baseline=adaptive_gsam"]
        exchanged = load_study(
            study_file, overrides=["search_spaces.gsam.alpha.default=0.1", *roles]
        )
        assert exchanged.centre("adaptive_gsam") == study.centre("adaptive_gsam")
        # What must not be 0 is named where it stands, whichever of the two is the baseline.
        changed = write(
            valid.replace("high = 4.0", "high = 4.0\n[search_spaces.gsam.alpha]\ndefault = 0")
        )
        with pytest.raises(StudyError, match=r"search_spaces\.gsam\.alpha\.default") as caught:
            load_study(changed, overrides=roles)
        assert "search_spaces.adaptive_gsam.alpha" not in str(caught.value)

    @pytest.mark.parametrize(
        ("replicates", "most", "looks"),
        [(16, 64, (16, 32, 64)), (16, 60, (16, 32)), (16, 16, (16,)), (100, 64, (100,))],
    )
    def test_looks(
        self, study_file: Path, replicates: int, most: int, looks: tuple[int, ...]
    ) -> None:
        overrides = [f"replicates={replicates}", f"analysis.max_replicates={most}"]
        assert load_study(study_file, overrides=overrides).looks == looks


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
            study.phases[8].fixed[1].hyperparameters["rho"] = 0.1
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
        ["packs.rows=3", "resources.cpus=4", "resources.gpus=0.5", "replicates=32"],
    )
    def test_it_does_not_depend_on_where_and_how_far_the_study_runs(
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
            ("phases.misset.points=3", "phases.misset.points: 4 → 3"),
            ("phases.default.seeds=3", "phases.default.seeds: 1 → 3"),
            ("phases.off.factor=3", "phases.off.factor: 10.0 → 3.0"),
            ("phases.map.optimizers=['sgd', 'gsam']", "phases.map.optimizers: (absent) → ['sgd', "),
            ("data=fixed", "data: 'per_replicate' → 'fixed'"),
            ("analysis.max_replicates=32", "analysis.max_replicates: 64 → 32"),
            ("search_spaces.gsam.rho.max=9", "search_spaces.gsam.rho.max: (absent) → 9.0"),
            ("phases.tune.sampler=gp", "phases.tune.sampler: 'tpe' → 'gp'"),
            ("phases.fixed.points.gsam.rho=0.1", "phases.fixed.points[1].rho: 0.5 → 0.1"),
            ("analysis.confidence=0.9", "analysis.confidence: 0.95 → 0.9"),
            ("analysis.epsilons=[0.1]", "analysis.epsilons: [0.01, 0.03, 0.05] → [0.1]"),
            ("reference.source=x", "reference.source: 'a paper' → 'x'"),
            ("control=sgd", "control: 'gsam_matched' → 'sgd'"),
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
        names = ["map", "key", "off", "radius", "tune", "misset", "default"]
        assert [phase.name for phase in study.phases] == names
        planned = planned_trials(study)
        assert sum(n or 0 for n in planned.values()) == 4000
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
        assert [phase.name for phase in study.phases] == list(PHASE_NAMES[:-1])
        assert sum(n or 0 for n in planned_trials(study).values()) < 500

    @pytest.mark.parametrize("name", sorted(available_studies()))
    def test_all_can_be_decided(self, name: str) -> None:
        study = load_study(available_studies()[name])
        names = {phase.name for phase in study.phases}
        assert names == {"fixed"} or names >= {"map", "key", "off", "radius"}
        assert (study.data == "fixed") == name.startswith("paper_")
