"""The wheel: what is in it, and that it works where nothing but it is."""

import importlib.metadata
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import agsam_tune

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints, which must do what it is asked."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Of a copy, since setuptools builds in the folder itself.
    source = folder / "source"
    for name in ("agsam_tune", "studies", "search_spaces"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, source]
    run(sys.executable, *build, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "agsam_tune.__version__"}
    assert importlib.metadata.version("agsam-tune") == agsam_tune.__version__


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == agsam_tune.__version__
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == "agsam-tune"
    assert citation["authors"] == [{"name": "agsam-tune contributors"}]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert citation["license"] == project["license"]
    assert project["description"].startswith(citation["abstract"].split(":")[0])
    assert {"message", "type"} <= citation.keys()


def test_the_package_is_typed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["setuptools"]["package-data"]["agsam_tune"] == ["py.typed"]
    assert (ROOT / "agsam_tune" / "py.typed").is_file()


@pytest.mark.slow
def test_what_is_in_the_wheel(wheel: Path) -> None:
    assert wheel.name.startswith(f"agsam_tune-{agsam_tune.__version__}-")
    names = set(zipfile.ZipFile(wheel).namelist())
    data = f"agsam_tune-{agsam_tune.__version__}.data/data/share/agsam-tune"
    for kind in ("studies", "search_spaces"):
        for path in (ROOT / kind).iterdir():
            assert f"{data}/{kind}/{path.name}" in names
    for path in (ROOT / "agsam_tune").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    environment, work = tmp_path / "venv", tmp_path / "work"
    work.mkdir()
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    python, program = environment / "bin" / "python", environment / "bin" / "agsam-tune"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(python, *install, "-c", ROOT / "constraints.txt", wheel, cwd=work)

    assert run(program, "--version", cwd=work).strip() == agsam_tune.__version__
    assert "moons" in run(program, "list", cwd=work)
    points = {"map": 4, "key": 4, "off": 4, "radius": 4, "tune": 2, "misset": 2}
    sizes = ["training.epochs=1", "replicates=2"]
    sizes += [f"phases.{name}.points={n}" for name, n in points.items()]
    tiny = ["--executor", "inline", *(word for size in sizes for word in ("--set", size))]
    fewer = ["--set", "task_options.train_size=200", "--set", "task_options.n=2400"]
    said = run(program, "run", "moons", *tiny, *fewer, cwd=work)
    built_in = environment / "share" / "agsam-tune" / "studies" / "moons.toml"
    assert said.startswith(f"Study: {built_in}\n")
    for name in ("report.html", "summary.json", "trials.parquet", "manifest.json"):
        assert (work / "runs" / "moons" / name).is_file()

    run(program, "new", "mine", "--task", "my_tasks:blobs", cwd=work)
    run(program, "run", "mine", *tiny, cwd=work)
    assert (work / "runs" / "mine" / "report.html").is_file()
    run(program, "schema", "--out", "study.json", cwd=work)

    # A type checker that is given the package alone knows its types.
    (work / "typed.py").write_text(
        "from agsam_tune.study import load_study\nreveal_type(load_study)\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--python-executable", str(python), "typed.py"]
    assert "agsam_tune.study.study.Study" in run(*mypy, cwd=work)
