"""docs/coming_from.md and the deletions of docs/storages.md: their snippets and commands do it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import optuna
import pandas as pd
import pytest
from typer.testing import CliRunner

from agsam_tune import reporting
from agsam_tune.cli import app
from tests.run.commands import PROGRAM

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "coming_from.md").read_text("utf-8")
STORAGES = (DOCS / "storages.md").read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = "".join(blocks(page, "sh")).splitlines()
    return [[str(Path(PROGRAM[0]).with_name("optuna")), *shlex.split(line)[1:]] for line in lines]


def trials(setting: str) -> pd.DataFrame:
    """Two optimizers at 8 settings with 2 seeds, hyperparameters named as another program does."""
    rho = np.geomspace(0.01, 1, 8)
    return pd.DataFrame(
        {
            f"{setting}optimizer": name,
            f"{setting}rho": rho[point],
            f"{setting}seed": seed,
            "accuracy": 0.9 - loss * rho[point] + 0.001 * seed,
        }
        for name, loss in (("sam", 0.2), ("asam", 0.1))
        for point in range(8)
        for seed in range(2)
    )


def syne_tune() -> dict[str, ModuleType | SimpleNamespace]:
    """Syne Tune as the page needs it: a row for each report, the last one being the result."""
    table = trials("config_").assign(trial_id=range(32), st_decision="CONTINUE")
    reports = [table.assign(accuracy=0.1, st_worker_iter=1), table.assign(st_worker_iter=2)]
    results = pd.concat(reports)
    load = SimpleNamespace(load_experiment=lambda _: SimpleNamespace(results=results))
    return {"syne_tune": ModuleType("syne_tune"), "syne_tune.experiments": load}


def benchopt(path: Path) -> None:
    """What benchopt writes: a row for each point of a performance curve."""
    table = trials("p_solver_")
    table["solver_name"] = [
        f"{name}[rho={rho:.3g}]"
        for name, rho in zip(table.pop("p_solver_optimizer"), table["p_solver_rho"], strict=True)
    ]
    table = table.rename(
        columns={"p_solver_seed": "idx_rep", "accuracy": "objective_test_accuracy"}
    )
    path.parent.mkdir()
    early = table.assign(time=0.5, objective_test_accuracy=0.1)
    pd.concat([early, table.assign(time=2.0)]).to_parquet(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small run in runs/moons."""
    folder = tmp_path_factory.mktemp("work")
    tiny = ["training.epochs=1", "task_options.train_size=200", "task_options.n=2400"]
    points = {"map": 2, "key": 2, "off": 2, "radius": 2, "tune": 2, "misset": 2}
    tiny += ["replicates=2", *(f"phases.{name}.points={n}" for name, n in points.items())]
    options = [word for key in tiny for word in ("--set", key)]
    where = ["--executor", "inline", "--no-report", "--out", f"{folder}/runs/moons"]
    done = CliRunner().invoke(app, ["run", "moons", *options, *where])
    assert done.exit_code == 0, done.output
    return folder


def test_their_results_are_imported_and_ours_handed_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    # The reports of other tests are enough; what is read is what is tested here.
    summary = SimpleNamespace(claim=SimpleNamespace(text="Undecided."), changed=())
    monkeypatch.setattr(reporting, "report_run", lambda *_, **__: summary)
    benchopt(folder / "outputs" / "benchopt_run.parquet")
    mlflow, wandb = MagicMock(), MagicMock()
    for name, module in {**syne_tune(), "mlflow": mlflow, "wandb": wandb}.items():
        monkeypatch.setitem(sys.modules, name, module)
    names: dict[str, Any] = {
        "grid": SimpleNamespace(get_dataframe=lambda: trials("config/").assign(trial_id="a"))
    }
    for block in blocks(PAGE, "python"):
        exec(block, names)  # noqa: S102  (the page's own code)
    lines = [line[2:] for block in blocks(PAGE, "console") for line in block.splitlines()]
    assert len(lines) == 3
    for line in lines:
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, done.output
    for name in ("ray", "syne", "benchopt"):
        table = reporting.read_run(folder / "runs" / name).trials
        assert len(table) == 32
        assert table["point"].nunique() == 8
        assert table.groupby(["point", "seed"])["rho"].nunique().eq(1).all()
        assert table["test_accuracy"].min() > 0.6
    settings = names["settings"]
    assert ("gsam", 0) in {(one["optimizer"], one["point"]) for one, _ in settings}
    assert all("gamma" not in one for one, _ in settings if one["optimizer"] == "gsam")
    assert mlflow.log_params.call_count == mlflow.log_metrics.call_count == len(settings)
    assert wandb.init.call_count == len(settings)
    assert list((folder / "tensorboard" / "moons").rglob("events.out*"))


def test_optunas_program_reads_the_journal(folder: Path) -> None:
    listed, best = commands(PAGE)
    said = subprocess.run(listed, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert "moons/gsam" in said
    said = subprocess.run(best, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert "val_accuracy" in said


def test_studies_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage = "sqlite:///results.db"
    for name in ("moons/gsam", "moons/sgd", "digits/gsam"):
        optuna.create_study(storage=storage, study_name=name)
    names, delete = commands(STORAGES)
    said = subprocess.run(names, capture_output=True, text=True, check=True).stdout
    assert "moons/gsam" in said
    subprocess.run(delete, env=os.environ, capture_output=True, check=True)
    assert optuna.get_all_study_names(storage) == ["moons/sgd", "digits/gsam"]
    for block in blocks(STORAGES, "python"):
        exec(block, {})  # noqa: S102
    assert optuna.get_all_study_names(storage) == ["digits/gsam"]
