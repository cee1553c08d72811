"""Everything that a study file must be refused for, and what the message has to say."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agsam_tune.study import Problem, StudyError, load_study

Write = Callable[[str], Path]


def problems_of(path: Path, *overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(StudyError) as caught:
        load_study(path, overrides=overrides)
    for line in str(caught.value).splitlines():
        assert line.startswith((str(path.parent.parent), "--set"))
    assert len(str(caught.value).splitlines()) == len(caught.value.problems)
    return caught.value.problems


#: (what of the valid study is replaced, by what, the key, what the message says)
SPOILT = [
    # unknown keys
    ("seed = 0", "seeds = 0", "seeds", ["unknown key", "did you mean 'seed'?"]),
    ("epochs = 2", "epoch = 2", "training.epoch", ["unknown key", "did you mean 'epochs'?"]),
    ("epochs = 2", "epoch = 2", "training.epochs", ["missing", "an integer >= 1"]),
    ("margin =", "margins =", "analysis.margins", ["did you mean 'margin'?"]),
    ("rows =", "row =", "packs.row", ["did you mean 'rows'?"]),
    ("cpus =", "cpu =", "resources.cpu", ["did you mean 'cpus'?"]),
    ("[analysis]", "[analyses]", "analyses", ["did you mean 'analysis'?"]),
    ("train_size =", "trainsize =", "task_options.trainsize", ["did you mean 'train_size'?"]),
    ("high = 4.0", "hi = 4.0", "search_spaces.gsam.rho.hi", ["low, high, log, default"]),
    ("source =", "sauce =", "reference.sauce", ["did you mean 'source'?"]),
    (
        "test_loss =",
        "loss =",
        "reference.results[0].loss",
        ["unknown key", "did you mean 'test_loss'?"],
    ),
    ("replicates = 4", "replicate = 4", "replicate", ["did you mean 'replicates'?"]),
    # keys that another phase takes, or that were of the first form
    ('name = "key"', 'name = "key"\nfactor = 3', "phases.key.factor", ["name, points, optimizers"]),
    ('name = "iid"', 'name = "iid"\nseeds = 5', "phases.iid.seeds", ["crossed with points", "own"]),
    ('name = "map"', 'name = "map"\nreplicates = 2', "phases.map.replicates", ["first table now"]),
    ('"misset"\npoints = 4', '"misset"\nseeds = 8', "phases.misset.points", ["missing"]),
    ("format = 2", "format = 1", "format", ["found 1, allowed: 2", "seeds were crossed"]),
    ("format = 2", "format = 3", "format", ["found 3, allowed: 2", "a newer agsam-tune"]),
    ("format = 2", "format = 'x'", "format", ["'x'", "2"]),
    # names
    ('"gsam",', '"gsma",', "optimizers", ["'gsma'", "adaptive_gsam_t2", "did you mean 'gsam'?"]),
    ('"gsam",', '"GSAM",', "optimizers", ["found 'GSAM'", "did you mean 'gsam'?"]),
    ('"gsam",', '"Adaptive-GSAM",', "optimizers", ["did you mean 'adaptive_gsam'?"]),
    ('baseline = "gsam"', 'baseline = "GSAM"', "baseline", ["did you mean 'gsam'?"]),
    ('"sgd",', '"sgd", "sgd",', "optimizers", ["'sgd' 2 times"]),
    (
        'candidate = "adaptive_gsam"',
        'candidate = "adaptive_gsm"',
        "candidate",
        ["sgd, gsam, adaptive_gsam, gsam_matched", "did you mean 'adaptive_gsam'?"],
    ),
    ('baseline = "gsam"', 'baseline = "sam"', "baseline", ["'sam'", "did you mean 'gsam'?"]),
    ('control = "gsam_matched"', 'control = "asam"', "control", ["'asam'"]),
    (
        'baseline = "gsam"',
        'baseline = "adaptive_gsam"',
        "baseline",
        ["which is the candidate too"],
    ),
    ('control = "gsam_matched"', 'control = "gsam"', "control", ["which is the baseline too"]),
    ('baseline = "gsam"\n', "", "baseline", ["missing", "candidate and control"]),
    ('candidate = "adaptive_gsam"\n', "", "candidate", ["missing"]),
    ('task = "moons"', 'task = "moon"', "task", ["paper_moons", "did you mean 'moons'?"]),
    ('task = "moons"', 'task = "my.module"', "task", ["'package.module:function'"]),
    ('task = "moons"', 'task = "my.module:a b"', "task", ["'package.module:function'"]),
    ('task = "moons"\n', "", "task", ["missing"]),
    ('name = "tune"', 'name = "tunes"', "phases[4].name", ["iid", "did you mean 'tune'?"]),
    ('name = "tune"', 'nam = "tune"', "phases[4].name", ["missing", "map, key, off"]),
    ('name = "tune"', 'name = "map"', "phases.map", ["more than one phase"]),
    ("seed = 0", "seed = 0\nphases = 3", "", ["not TOML"]),
    ("[search_spaces.gsam.rho]", "[search_spaces.sam.rho]", "search_spaces.sam", ["of this study"]),
    (
        "[search_spaces.gsam.rho]",
        "[search_spaces.gsam.rh]",
        "search_spaces.gsam.rh",
        ["unknown hyperparameter", "rho, alpha, lr", "did you mean 'rho'?"],
    ),
    ('optimizer = "gsam"\ntest', 'optimizer = "sma"\ntest', "reference.results[0].optimizer", []),
    # samplers and schedules
    (
        "points = 16\n",
        'sampler = "sobl"\npoints = 16\n',
        "phases.map.sampler",
        ["did you mean 'sobol'?"],
    ),
    (
        "points = 8",
        'sampler = "grid"\npoints = 8',
        "phases.tune.sampler",
        ["tpe, gp, random, sobol"],
    ),
    (
        'name = "iid"',
        'name = "iid"\nsampler = "sobol"',
        "phases.iid.sampler",
        ["'sobol'", "random"],
    ),
    ("lr = 0.05", 'lr = 0.05\nlr_schedule = "cosin"', "training.lr_schedule", ["'cosine'?"]),
    ("lr = 0.05", 'lr = 0.05\nlr_schedule = "step"', "training.lr_schedule", ["constant, cos"]),
    ("lr = 0.05", 'lr = 0.05\nrho_schedule = "cosine"', "training.rho_schedule", ["proportional"]),
    ("lr = 0.05", 'lr = 0.05\nbase_optimizer = "lion"', "training.base_optimizer", ["adamw"]),
    # ranges of a search space
    ("high = 4.0", "high = 0.001", "search_spaces.gsam.rho", ["low = 0.005 and high = 0.001"]),
    ("high = 4.0", "high = 0.005", "search_spaces.gsam.rho", ["low < high"]),
    ("high = 4.0", "low = 0.0", "search_spaces.gsam.rho", ["log = true", "low > 0"]),
    ("high = 4.0", "default = 9", "search_spaces.gsam.rho", ["default = 9.0", "8.0"]),
    ("high = 4.0", "high = inf", "search_spaces.gsam.rho.high", ["inf", "a number"]),
    ("high = 4.0", "low = nan", "search_spaces.gsam.rho.low", ["nan", "a number"]),
    ("high = 4.0", "high = '4'", "search_spaces.gsam.rho.high", ["'4'", "a number"]),
    ("high = 4.0", "log = 1", "search_spaces.gsam.rho.log", ["true or false"]),
    ("high = 4.0", "low = -1\nlog = false", "search_spaces.gsam.rho.low", ["-1.0", ">= 0"]),
    ("[search_spaces.gsam.rho]\nhigh", "[search_spaces.gsam]\nrho", "search_spaces.gsam.rho", []),
    (
        "[search_spaces.gsam.rho]",
        "[search_spaces.gsam.lr]\nlow = 0.0\ndefault = 0.1",
        "search_spaces.gsam.lr.low",
        ["a number > 0"],
    ),
    (
        "[search_spaces.gsam.rho]",
        "[search_spaces.gsam.momentum]\nlow = 0.0\ndefault = 0.1",
        "search_spaces.gsam.momentum.high",
        ["4.0", ">= 0 and < 1"],
    ),
    ("[search_spaces.gsam.rho]", "[search_spaces.gsam.lr]", "search_spaces.gsam.lr.low", ["miss"]),
    # the numbers of points, seeds and replicates
    ("points = 16\n", "points = 0\n", "phases.map.points", ["0", "an integer >= 1"]),
    ("points = 8", "points = 0", "phases.tune.points", ["an integer >= 1"]),
    ("points = 16\n", "points = 18\n", "phases.map.points", ["16 or 32"]),
    ("points = 16\n", "points = 3\n", "phases.map.points", ["such as 2 or 4"]),
    ("replicates = 4", "replicates = 0", "replicates", ["an integer >= 1"]),
    ("seed = 0", 'seed = 0\ndata = "anew"', "data", ["per_replicate, fixed"]),
    ('name = "default"', 'name = "default"\nseeds = 0', "phases.default.seeds", [">= 1"]),
    # the pair, its key, its lengths and what is multiplied
    (
        'name = "map"',
        'name = "map"\noptimizers = ["gsma"]',
        "phases.map.optimizers",
        ["of the study's optimizers", "did you mean 'gsam'?"],
    ),
    (
        'name = "map"',
        'name = "map"\noptimizers = ["sgd", "sgd"]',
        "phases.map.optimizers",
        ["'sgd' 2 times"],
    ),
    (
        'name = "off"',
        'name = "off"\noptimizers = ["gsam"]',
        "phases.off.optimizers",
        ["without adaptive_gsam"],
    ),
    (
        'name = "off"',
        'name = "off"\noptimizers = ["gsam", "adaptive_gsam", "sgd"]',
        "phases.off.optimizers",
        ["'sgd', which has no rho, the key"],
    ),
    (
        'name = "radius"',
        'name = "radius"\noptimizers = ["gsam", "adaptive_gsam", "sgd"]',
        "phases.radius.optimizers",
        ["'sgd', which has no ascent step"],
    ),
    (
        'candidate = "adaptive_gsam"\nbaseline = "gsam"\ncontrol = "gsam_matched"\n',
        "",
        "phases.key",
        ["no candidate and no baseline"],
    ),
    ("margin = 0.005", 'key = "roh"', "analysis.key", ["rho, alpha", "did you mean 'rho'?"]),
    ("margin = 0.005", 'key = "gamma"', "analysis.key", ["that both candidate and baseline have"]),
    (
        "high = 4.0",
        "low = 0.0\nlog = false",
        "search_spaces.gsam.rho.low",
        ["0.0", "the key is drawn by its log"],
    ),
    ('name = "radius"', 'name = "radius"\nlow = 1', "phases.radius.high", ["missing", "neither"]),
    ('name = "radius"', 'name = "radius"\nhigh = 1', "phases.radius.low", ["missing", "neither"]),
    (
        'name = "radius"',
        'name = "radius"\nlow = 1\nhigh = 1',
        "phases.radius",
        ["low < high"],
    ),
    ('name = "key"\npoints = 6\n[[phases]]\n', "", "phases.radius", ["needed: low and high"]),
    (
        "[search_spaces.gsam.rho]\nhigh = 4.0",
        "[search_spaces.gsam.alpha]\ndefault = 0",
        "search_spaces.gsam.alpha.default",
        ["the phase off multiplies", "not 0"],
    ),
    (
        "[search_spaces.gsam.rho]\nhigh = 4.0",
        "[search_spaces.gsam.alpha]\nhigh = 2.0",
        "search_spaces.gsam.alpha",
        ["high = 2.0", "max = 1.0"],
    ),
    (
        "high = 4.0",
        "min = -1",
        "search_spaces.gsam.rho.min",
        ["-1.0", "a number >= 0"],
    ),
    ("high = 4.0", "min = 1", "search_spaces.gsam.rho", ["low = 0.005", "at least min = 1.0"]),
    ('"fixed"\nseeds = 2', '"fixed"', "phases.fixed.seeds", ["missing"]),
    ("seed = 0", "seed = -1", "seed", ["-1", "an integer >= 0"]),
    ("seed = 0", "seed = 0.5", "seed", ["0.5", "an integer"]),
    ("seed = 0", "seed = true", "seed", ["true", "an integer"]),
    # the recipe
    ("epochs = 2", "epochs = 0", "training.epochs", ["0", "an integer >= 1"]),
    ("epochs = 2", "epochs = 2.0", "training.epochs", ["2.0", "an integer >= 1"]),
    ("batch_size = 32", "batch_size = 0", "training.batch_size", ["an integer >= 1"]),
    ("lr = 0.05", "lr = 0", "training.lr", ["a number > 0"]),
    ("lr = 0.05", "lr = nan", "training.lr", ["nan", "a number > 0"]),
    ("lr = 0.05", "lr = true", "training.lr", ["true", "a number > 0"]),
    ("momentum = 0.9", "momentum = 1.0", "training.momentum", [">= 0 and < 1"]),
    ("momentum = 0.9", "momentum = -0.1", "training.momentum", [">= 0 and < 1"]),
    ("momentum = 0.9", "nesterov = true", "training.nesterov", ["momentum > 0"]),
    ("lr = 0.05", "lr = 0.05\nweight_decay = -1", "training.weight_decay", [">= 0"]),
    ("lr = 0.05", "lr = 0.05\nwarmup = -1", "training.warmup", ["an integer >= 0"]),
    # the task's options
    ("train_size = 400", "train_size = 1", "task_options.train_size", ["an integer >= 2"]),
    ("train_size = 400", "train_size = 8000", "task_options", ["10000", "leave none to test on"]),
    ("train_size = 400", "label_noise = 1.1", "task_options.label_noise", ["<= 1"]),
    ("train_size = 400", "noise = -0.1", "task_options.noise", [">= 0"]),
    # fixed points
    (
        'optimizer = "gsam"\nrho',
        'optimizer = "sam"\nrho',
        "phases.fixed.points[1].optimizer",
        ["'sam'", "did you mean 'gsam'?"],
    ),
    ("alpha = 0.04\n", "", "phases.fixed.points[1].alpha", ["missing", "gsam has rho, alpha"]),
    (
        "alpha = 0.04",
        "alpha = 0.04\nrh = 1",
        "phases.fixed.points[1].rh",
        ["gsam has rho, alpha", "did you mean 'rho'?"],
    ),
    ("rho = 0.5", "rho = -0.5", "phases.fixed.points[1].rho", ["-0.5", ">= 0"]),
    ("rho = 0.5", "rho = nan", "phases.fixed.points[1].rho", ["nan"]),
    ("rho = 0.5", "rho = 'x'", "phases.fixed.points[1].rho", ["'x'", "a number"]),
    # analysis, packs, resources
    ("margin = 0.005", "margin = 0", "analysis.margin", ["> 0"]),
    ("margin = 0.005", "confidence = 1.0", "analysis.confidence", ["> 0 and < 1"]),
    ("margin = 0.005", "confidence = 95", "analysis.confidence", ["> 0 and < 1"]),
    ("margin = 0.005", "epsilons = [0.01, -0.1]", "analysis.epsilons[1]", ["-0.1", "> 0"]),
    ("margin = 0.005", "epsilons = []", "analysis.epsilons", ["at least 1"]),
    ("margin = 0.005", "epsilons = 0.01", "analysis.epsilons", ["a list"]),
    ("margin = 0.005", "epsilons = [0.01, 0.01]", "analysis.epsilons", ["once"]),
    ("rows = 16", "rows = 0", "packs.rows", ["an integer >= 1 or 'auto'"]),
    ("rows = 16", "rows = 'all'", "packs.rows", ["an integer >= 1 or 'auto'"]),
    ("rows = 16", "rows = true", "packs.rows", ["an integer >= 1 or 'auto'"]),
    ("cpus = 1", "cpus = 0", "resources.cpus", ["> 0"]),
    ("cpus = 1", "gpus = -0.5", "resources.gpus", [">= 0"]),
    ("test_accuracy = 0.857", "test_accuracy = 85.7", "reference.results[0].test_accuracy", []),
    # tables of the wrong kind
    ("[training]", "[[training]]", "training", ["a table"]),
    ("seed = 0", "seed = 0\npacks = 1", "", ["not TOML"]),
]


@pytest.mark.parametrize(("old", "new", "key", "says"), SPOILT)
def test_a_mistake_is_named(
    write: Write, valid: str, old: str, new: str, key: str, says: list[str]
) -> None:
    assert old in valid
    path = write(valid.replace(old, new, 1))
    found = [problem for problem in problems_of(path) if problem.key == key]
    assert found, f"nothing about {key} in {problems_of(path)}"
    assert found[0].file == str(path)
    for words in says:
        assert words in str(found[0])


def test_all_mistakes_are_named_at_once(write: Write, valid: str) -> None:
    text = valid
    for old, new in [
        ('"moons"', '"moon"'),
        ('"gsam",', '"gsma",'),
        ("epochs = 2", "epochs = 0"),
        ("high = 4.0", "high = 0.001"),
        ("points = 16", "points = 17"),
        ("margin = 0.005", "margin = -1"),
        ("rho = 0.5", "roh = 0.5"),
        ("cpus = 1", "cpus = 0"),
    ]:
        text = text.replace(old, new, 1)
    keys = {problem.key for problem in problems_of(write(text))}
    assert keys >= {
        "task",
        "optimizers",
        "baseline",
        "training.epochs",
        "search_spaces.gsam",
        "phases.map.points",
        "analysis.margin",
        "resources.cpus",
    }


def test_misset_needs_a_phase_that_finds_the_best(write: Write, valid: str) -> None:
    head, *phases = valid.split("[[phases]]")
    kept = [text for text in phases if '"map"' not in text and '"tune"' not in text]
    found = problems_of(write("[[phases]]".join([head, *kept])))
    (problem,) = [problem for problem in found if problem.key == "phases.misset"]
    assert "of gsam, adaptive_gsam to take an own best from" in problem.message


def test_an_optimizer_without_any_point_is_refused(write: Write, valid: str) -> None:
    head, *phases = valid.split("[[phases]]")
    path = write("[[phases]]".join([head, *phases[4:6]]))  # tune and misset, of the pair
    messages = [problem.message for problem in problems_of(path) if problem.key == "optimizers"]
    assert [message.split(",")[0] for message in messages] == [
        "found 'sgd'",
        "found 'gsam_matched'",
    ]


def test_a_fixed_phase_lists_tables(write: Write, valid: str) -> None:
    head = valid.split("[[phases]]")[0]
    path = write(f'{head}[[phases]]\nname = "fixed"\nseeds = 1\npoints = 5\n')
    (problem,) = problems_of(path)
    assert problem.key == "phases.fixed.points"
    assert "found 5, allowed: a list" in problem.message


@pytest.mark.parametrize("text", ["", "[phases.map]\npoints = 4", "phases = []"])
def test_a_study_has_phases(write: Write, valid: str, text: str) -> None:
    head = valid.split("[search_spaces")[0]
    path = write(text + head if text.startswith("phases =") else head + text)
    assert any(
        problem.key == "phases" and "[[phases]] tables" in problem.message
        for problem in problems_of(path)
    )


def test_an_empty_file_says_what_is_needed(write: Write) -> None:
    keys = [problem.key for problem in problems_of(write(""))]
    assert keys == [
        "task",
        "optimizers",
        "training.epochs",
        "training.batch_size",
        "training.lr",
        "phases",
    ]


def test_options_of_ones_own_task_are_plain_and_finite(write: Write, valid: str) -> None:
    text = valid.replace('"moons"', '"my.task:build"', 1)
    text = text.replace("train_size = 400", "a = nan\nb = 2020-01-01\nc = [1, inf]\nd = {e = 1}")
    keys = [problem.key for problem in problems_of(write(text))]
    assert keys == ["task_options.a", "task_options.b", "task_options.c"]


@pytest.mark.parametrize("stem", ["my study", "ä", "-x", ".hidden", "a:b", "%20#?", "[red]"])
def test_a_study_is_called_what_its_file_is(study_file: Path, stem: str) -> None:
    assert load_study(study_file.rename(study_file.parent / f"{stem}.toml")).name == stem


def test_of_a_name_that_cannot_be_printed_the_rest_is_kept(study_file: Path) -> None:
    assert load_study(study_file.rename(study_file.parent / "a\nb\udcff.toml")).name == "a_b_"


def test_a_name_of_dots_alone_is_a_folder_s(study_file: Path) -> None:
    (problem,) = problems_of(study_file.rename(study_file.parent / "...toml"))
    assert "'..'" in problem.message


def test_a_long_key_is_shortened(write: Write, valid: str) -> None:
    path = write(f"{'k' * 100_000} = 1\n{valid}")
    (problem,) = problems_of(path)
    assert "…" in str(problem)
    assert len(str(problem)) < 2000


def test_more_trials_than_a_driver_can_hold(write: Write, valid: str) -> None:
    path = write(valid.replace("seeds = ", "seeds = 1_000_000_00", 1))
    assert any("allowed: up to 10,000,000" in problem.message for problem in problems_of(path))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "study.toml")
    (problem,) = problems_of(tmp_path / "study.toml")
    assert "it is no file but a pipe or a device" in problem.message


def test_terminal_codes_in_a_key_are_not_printed(write: Write, valid: str) -> None:
    path = write(f'"a\\nb\\u001b[31m" = 1\n{valid}')
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert str(caught.value).isprintable()


class TestFiles:
    def one_line(self, path: Path) -> str:
        with pytest.raises(StudyError) as caught:
            load_study(path)
        assert len(str(caught.value).splitlines()) == 1
        assert str(caught.value).startswith(f"{path}: ")
        return str(caught.value)

    def test_missing(self, study_file: Path) -> None:
        line = self.one_line(study_file.with_name("min.toml"))
        assert "there is no such file" in line
        assert f"did you mean {study_file}?" in line

    def test_missing_but_shipped(self, tmp_path: Path) -> None:
        line = self.one_line(tmp_path / "paper_moon.toml")
        assert line.endswith("paper_moons.toml?")

    def test_missing_without_a_near_name(self, tmp_path: Path) -> None:
        line = self.one_line(tmp_path / "zzzz.toml")
        assert "there are " in line
        assert "quick.toml" in line

    def test_folder(self, study_file: Path) -> None:
        line = self.one_line(study_file.parent)
        assert "this is a folder" in line
        assert str(study_file) in line

    def test_not_toml(self, write: Write) -> None:
        assert "not TOML" in self.one_line(write("task = \n"))

    def test_not_utf8(self, study_file: Path) -> None:
        study_file.write_bytes(b'task = "\xff"')
        assert "UTF-8" in self.one_line(study_file)

    @pytest.mark.parametrize("text", ["9" * 30, "9" * 5_000, "0x" + "f" * 5_000])
    def test_a_long_integer(self, write: Write, text: str) -> None:
        assert "more than 64 bits" in self.one_line(write(f"a = [{{b = {text}}}]"))

    def test_nested_without_end(self, write: Write) -> None:
        assert "nested too deeply" in self.one_line(write("a = " + "[" * 10_000))

    def test_under_a_file(self, study_file: Path) -> None:
        assert "cannot be read" in self.one_line(study_file / "x.toml")

    def test_not_readable(self, study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
        assert "cannot be read: Permission denied" in self.one_line(study_file)

    def test_a_byte_order_mark_is_no_mistake(self, study_file: Path) -> None:
        study_file.write_bytes(b"\xef\xbb\xbf" + study_file.read_bytes())
        assert load_study(study_file).name == "mine"
