"""What installed packages announce: found by name, listed, and what is said of clashes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agsam_tune.listing import listing
from agsam_tune.plugins import OPTIMIZERS, TASKS, announced, data_file
from agsam_tune.study import StudyError, available_studies, load_study
from agsam_tune.tasks.loading import load_task

Announce = Callable[..., Path]

RANGE = "[rho]\nlow = 0.1\nhigh = 1.0\ndefault = 0.5\n"
TASK = """
import numpy as np
from agsam_tune.tasks.task import Mlp, Split, Task

def blobs(*, seed, n=30):
    rng = np.random.default_rng(seed)
    splits = [Split(x=rng.normal(size=(n, 2)).astype("f4"), y=np.arange(n) % 2) for _ in range(3)]
    return Task(name="blobs", train=splits[0], validation=splits[1], test=splits[2],
                model=Mlp(widths=(2, 4, 1)))
"""


@pytest.fixture
def announce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Announce:
    """Puts a package with these entry points where Python finds installed ones."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def write(package: str, tasks: str = "", optimizers: str = "") -> Path:
        info = site / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        groups = {TASKS: tasks, OPTIMIZERS: optimizers}
        lines = "\n".join(f"[{group}]\n{text}" for group, text in groups.items())
        (info / "entry_points.txt").write_text(lines)
        folder = site / package
        folder.mkdir()
        # Nothing may be imported but to run it.
        (folder / "__init__.py").write_text("raise RuntimeError('imported')")
        return folder

    return write


def overrides(*names: str) -> list[str]:
    own = ", ".join(f'"{name}"' for name in names)
    return [f'optimizers=["gsam", "adaptive_gsam", "gsam_matched", {own}]']


QUICK = available_studies()["quick"]


def test_an_optimizer_is_found_with_its_search_space(announce: Announce) -> None:
    package = announce("plug", optimizers="mine = plug.deep.rules:f\nbare = plug.rules:g\n")
    (package / "deep").mkdir()
    (package / "search_spaces").mkdir()
    (package / "search_spaces" / "mine.toml").write_text(f'optimizer = "mine"\n{RANGE}')
    study = load_study(QUICK, overrides=overrides("mine", "bare"))
    assert study.search_spaces["mine"].rule == "plug.deep.rules:f"
    assert study.search_spaces["mine"].names == ("rho",)
    assert study.search_spaces["bare"].rule == "plug.rules:g"
    assert study.search_spaces["bare"].names == ()
    assert study.foreign_code
    changed = load_study(QUICK, overrides=[*overrides("mine"), "search_spaces.mine.rho.high=0.7"])
    assert changed.search_spaces["mine"].ranges["rho"].high == 0.7


def test_the_reference_itself_finds_the_package_s_search_space(announce: Announce) -> None:
    package = announce("plug")
    (package / "search_spaces").mkdir()
    (package / "search_spaces" / "f.toml").write_text(f'optimizer = "plug.rules:f"\n{RANGE}')
    study = load_study(QUICK, overrides=overrides("plug.rules:f"))
    assert study.search_spaces["f"].names == ("rho",)


def test_a_file_beside_the_study_comes_first(announce: Announce, tmp_path: Path) -> None:
    package = announce("plug", optimizers="mine = plug.rules:f\n")
    for folder, high in ((package / "search_spaces", 1.0), (tmp_path / "search_spaces", 0.8)):
        folder.mkdir()
        text = f'optimizer = "mine"\n{RANGE}'.replace("1.0", str(high))
        (folder / "mine.toml").write_text(text)
    study = tmp_path / "study.toml"
    study.write_text(QUICK.read_text("utf-8"), "utf-8")
    space = load_study(study, overrides=overrides("mine")).search_spaces["mine"]
    assert (space.rule, space.ranges["rho"].high) == ("plug.rules:f", 0.8)


def test_a_broken_search_space_is_named(announce: Announce) -> None:
    package = announce("plug", optimizers="mine = plug.rules:f\n")
    (package / "search_spaces").mkdir()
    file = package / "search_spaces" / "mine.toml"
    file.write_text('optimizer = "mine"\n[rho]\nlow = 1.0\n')
    with pytest.raises(StudyError) as caught:
        load_study(QUICK, overrides=overrides("mine"))
    assert {problem.file for problem in caught.value.problems} == {str(file)}
    assert str(file) in listing()


def test_a_task_is_found_and_gets_its_options(announce: Announce) -> None:
    package = announce("plug", tasks="blobs = plug_tasks:blobs\n")
    (package.parent / "plug_tasks.py").write_text(TASK)
    study = load_study(QUICK, overrides=["task=blobs", "task_options={n = 40}"])
    assert (study.task, dict(study.task_options)) == ("blobs", {"n": 40})
    assert study.foreign_code
    assert len(load_task(study.task, study.task_options, seed=0).train.y) == 40
    del sys.modules["plug_tasks"]


def test_built_ins_keep_their_names_and_clashes_are_listed(announce: Announce) -> None:
    announce("one", "moons = one.t:f\ntwice = one.t:g\n", "gsam = one.r:f\nodd = one\n")
    announce("two", "twice = two.t:g\n", "a.b = two.r:f\n")
    tasks, task_clashes = announced(TASKS, ("moons",))
    optimizers, optimizer_clashes = announced(OPTIMIZERS, ("gsam",))
    assert (tasks, optimizers) == ({}, {})
    text = listing()
    for says in (
        "entry point 'moons' of agsam_tune.tasks: a built-in has this name, so that of one",
        "entry point 'twice' of agsam_tune.tasks: one and two both announce it",
        "entry point 'gsam' of agsam_tune.optimizers: a built-in has this name",
        "entry point 'odd' of agsam_tune.optimizers: found 'one' (one), allowed: 'package.module",
        "entry point 'a.b' of agsam_tune.optimizers: not a name that a study can use (two)",
    ):
        assert any(says in clash for clash in [*task_clashes, *optimizer_clashes]), says
        assert says in text
    study = load_study(QUICK)
    assert study.search_spaces["gsam"].rule is None
    for key, override in (("task", ["task=twice"]), ("optimizers", overrides("odd"))):
        with pytest.raises(StudyError) as caught:
            load_study(QUICK, overrides=override)
        (line,) = (p.message for p in caught.value.problems if p.key == key)
        assert "; entry point " in line


def test_what_a_half_removed_package_left_is_listed(
    announce: Announce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce("gone", optimizers="sgd = gone.rules:f\nleft = gone.rules:f")
    (tmp_path / "site" / "gone-1.0.dist-info" / "METADATA").unlink()
    monkeypatch.chdir(tmp_path)
    assert "a built-in has this name, so that of ? is not used" in listing()
    assert ["left", "gone.rules:f"] in [line.split() for line in listing().splitlines()]


def test_damaged_metadata_of_any_package_are_listed(
    announce: Announce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce("damaged", optimizers="no equals sign")
    monkeypatch.chdir(tmp_path)
    assert f"entry points of {OPTIMIZERS}: cannot be read: TypeError" in listing()
    assert load_study(QUICK).optimizers[0] == "gsam"


def test_an_unknown_name_names_those_announced(announce: Announce) -> None:
    announce("plug", "blobs = plug.t:f\n", "slow_gsam = plug.r:f\n")
    for override, says in (
        (["task=blob"], "blobs, or 'package.module:function' for one's own; did you mean 'blobs'?"),
        (overrides("slow_gsm"), "did you mean 'slow_gsam'?"),
    ):
        with pytest.raises(StudyError, match="found") as caught:
            load_study(QUICK, overrides=override)
        assert says in str(caught.value)


def test_listing_names_what_lies_beside(
    announce: Announce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce("plug", "blobs = plug.t:f\n", "far = plug.r:f\n")
    (tmp_path / "search_spaces").mkdir()
    near = f'optimizer = "my_rules:f"\ndescription = "so"\n{RANGE}'
    (tmp_path / "search_spaces" / "near.toml").write_text(near)
    monkeypatch.chdir(tmp_path)
    lines = [line.split(maxsplit=1) for line in listing().splitlines()]
    assert ["blobs", "plug.t:f from plug"] in lines
    assert ["far", "plug.r:f"] in lines
    assert ["near", "my_rules:f: so"] in lines
    assert ["near", "rho 0.1–1 (default 0.5)"] in lines


def test_listing_imports_nothing_heavy() -> None:
    program = (
        "import sys; from agsam_tune.listing import listing; listing();"
        "heavy = 'torch ray optuna pandas scipy sklearn matplotlib numpy'.split();"
        "sys.exit(str([name for name in heavy if name in sys.modules] or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stderr.strip(), done.stdout) == ("", "")


def test_where_data_files_of_a_module_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    inner = tmp_path / "top" / "inner"
    for folder in (tmp_path / "top", inner, tmp_path):
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / "data" / "x.toml").touch()
    (tmp_path / "top" / "__init__.py").touch()
    (tmp_path / "alone.py").touch()
    assert data_file("top.inner.rules:f", "data", "x.toml") == inner / "data" / "x.toml"
    assert data_file("top.rules:f", "data", "x.toml") == tmp_path / "top" / "data" / "x.toml"
    assert data_file("top:f", "data", "x.toml") == tmp_path / "top" / "data" / "x.toml"
    assert data_file("alone:f", "data", "x.toml") == tmp_path / "data" / "x.toml"
    for reference in ("top:f", "nowhere.at_all:f", "sys:f", "json:f"):
        assert data_file(reference, "data", "y.toml") is None
