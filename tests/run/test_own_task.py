"""A task of the user's own, from a folder outside the package, run from another one.

tests/plugins has the rest: what is refused, and a task and an optimizer on Ray.
"""

import json
from pathlib import Path

import pandas as pd

from tests.run.commands import QUICK, TINY, invoke, results

BLOBS = """
import numpy as np
from agsam_tune.tasks.task import Mlp, Split, Task

def blobs(*, seed, n=120, hidden=(8,)):
    rng = np.random.default_rng(seed)
    def split():
        y = rng.integers(3, size=n)
        x = rng.normal(size=(n, 4)).astype(np.float32)
        x[:, :3] += 2 * np.eye(3, dtype=np.float32)[y]
        return Split(x=x, y=y)
    return Task(name="blobs", train=split(), validation=split(), test=split(),
                model=Mlp(widths=(4, *hidden, 3)))
"""


def _study(folder: Path, function: str, options: str) -> Path:
    (folder / "my_tasks.py").write_text(BLOBS)
    text = Path(QUICK).read_text()
    old = text[text.index("[task_options]") : text.index("[training]")]
    text = text.replace(old, options).replace('task = "moons"', f'task = "my_tasks:{function}"')
    (folder / "mine.toml").write_text(text)
    return folder / "mine.toml"


def test_it_runs_from_anywhere(tmp_path: Path) -> None:
    study = _study(tmp_path, "blobs", "[task_options]\nn = 130\nhidden = [6, 5]\n\n")
    out = tmp_path / "run"
    done = invoke("run", study, *TINY, "--out", out, "--executor", "inline")
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["foreign_code"] is True
    assert manifest["data"]["train"] == 130
    table: pd.DataFrame = results(out)
    assert table["test_accuracy"].max() > 0.6


def test_options_that_it_does_not_take_are_refused(tmp_path: Path) -> None:
    study = _study(tmp_path, "blobs", "[task_options]\nnn = 1\n\n")
    done = invoke("run", study, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "could not be built: TypeError: blobs() got an unexpected" in done.stderr
    assert not (tmp_path / "run").exists()


NETWORK = """
from dataclasses import replace
from torch import nn
from agsam_tune.tasks.task import Network
from my_tasks import blobs

def build():
    raise OSError("no such file")

def broken(*, seed):
    return replace(blobs(seed=seed), model=Network(build=build, outputs=3))
"""


def test_a_model_that_cannot_be_built_is_wrong_use(tmp_path: Path) -> None:
    study = _study(tmp_path, "blobs", "")
    (tmp_path / "my_networks.py").write_text(NETWORK)
    study.write_text(study.read_text().replace("my_tasks:blobs", "my_networks:broken"))
    done = invoke("run", study, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr == "agsam-tune: task blobs: Network.build raised OSError: no such file\n"
    assert not (tmp_path / "run").exists()
