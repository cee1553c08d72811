"""docs/extend.md, done as it says: from an empty folder to a report, and as a package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.page import commands, moves, shown_files, write_folder, write_package
from tests.run.commands import agsam_tune, results

# The page's study in seconds: 96 trainings.
TINY = [
    *("--set", "training.epochs=2", "--set", "phases.map.points=8"),
    *("--set", "phases.tune.points=2", "--set", "phases.tune.seeds=1"),
    *("--set", "phases.misset.seeds=1"),
]


def test_the_page_shows_what_it_speaks_of() -> None:
    assert list(shown_files()) == [
        *("my_tasks.py", "my_networks.py", "my_rules.py", "search_spaces/root_gsam.toml"),
        *("mine.toml", "test_mine.py", "pyproject.toml"),
    ]
    assert [words[:2] for words in commands()] == [["agsam-tune", "run"], ["python", "-m"]]
    assert set(moves()) <= set(shown_files())
    lines = {name: text.count("\n") for name, text in shown_files().items()}
    assert lines["my_tasks.py"] <= 30
    assert lines["my_rules.py"] <= 10


@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.slow)])
def test_the_study_runs_from_its_folder(executor: str, tmp_path: Path) -> None:
    write_folder(tmp_path)
    (_, *arguments), _ = commands()
    done = agsam_tune(*arguments, *TINY, "--executor", executor, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "runs" / "mine"
    assert (out / "report.html").is_file()
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["foreign_code"] is True
    assert manifest["study"]["search_spaces"]["root_gsam"]["rule"] == "my_rules:root_gsam"
    table = results(out)
    assert set(table["optimizer"]) == {"sgd", "gsam", "root_gsam"}
    assert set(table["state"]) == {"COMPLETE"}
    own = table[table["optimizer"] == "root_gsam"]
    assert (own["radius"] > 0).all()
    assert own["gamma"].notna().all()
    assert own["test_accuracy"].max() > 0.6


def test_the_contract_is_kept(tmp_path: Path) -> None:
    write_folder(tmp_path)
    _, (_, *arguments) = commands()
    options = ["-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *arguments, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_the_package_announces_both(tmp_path: Path) -> None:
    source, target, work = (tmp_path / name for name in ("my-plugin", "installed", "work"))
    write_package(source)
    work.mkdir()
    install = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, "-m", "pip", *install, "--target", target, source],
        check=True,
        capture_output=True,
    )
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return agsam_tune(*arguments, cwd=work, environment=environment)

    listed = call("list").stdout
    assert "blobs " in listed
    assert "my_plugin.tasks:blobs from my-plugin" in listed
    assert "my_plugin.rules:root_gsam: GSAM with a step scaled by the root" in listed
    study = shown_files()["mine.toml"].replace('"my_tasks:blobs"', '"blobs"')
    (work / "mine.toml").write_text(study)
    done = call("run", "mine.toml", *TINY, "--executor", "inline")
    assert done.returncode == 0, done.stdout + done.stderr
    table = results(work / "runs" / "mine")
    assert (table.loc[table["optimizer"] == "root_gsam", "radius"] > 0).all()
    manifest = json.loads((work / "runs" / "mine" / "manifest.json").read_text())
    assert manifest["foreign_code"] is True
    assert manifest["study"]["search_spaces"]["root_gsam"]["rule"] == "my_plugin.rules:root_gsam"
