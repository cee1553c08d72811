"""Packs that were cut off carry on, to the bit."""

import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agsam_tune.engine import Checkpoints, train_pack
from agsam_tune.engine.checkpoint import Checkpoint
from agsam_tune.engine.lockstep import Lockstep
from agsam_tune.study import Sharpness, Training
from agsam_tune.tasks.task import Network, Task
from agsam_tune.trials import Pack
from tests.engine.problems import RECIPE, a_pack, a_trial, blobs, same_bits, small_moons
from tests.engine.test_gpu import ADAMW
from tests.engine.test_networks import Dropped, images

ADAM = ADAMW.model_copy(update={"base_optimizer": "adam", "lr_schedule": "cosine", "warmup": 3})
WANTED = Sharpness(examples=20, max_iterations=20)
DROPOUT = replace(blobs(), model=Network(build=Dropped, outputs=3))


class CutError(Exception):
    """The training was cut off."""


@contextmanager
def _cut_after(cut: int | None) -> Iterator[list[int]]:
    """Trainings that stop once they have written after step `cut`; yields the steps they make."""
    steps: list[int] = []
    step_, write_ = Lockstep.take_step, Checkpoint.write

    def step(run: Lockstep, *arguments: Any) -> None:
        step_(run, *arguments)
        steps.append(run.step - 1)

    def write(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], **place: int) -> None:
        if place["step"] == cut:
            write_(checkpoint, tensors, **place)
            raise CutError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lockstep, "take_step", step)
        patch.setattr(Checkpoint, "write", write)
        patch.setattr(Checkpoint, "is_due", lambda _: True)
        yield steps


def cut_off(train: Callable[..., object], folder: Path, cut: int) -> Path:
    """Cut a training off, and return the file that it leaves behind."""
    with _cut_after(cut), pytest.raises(CutError):
        train(checkpoints=Checkpoints(folder=folder, every=1e-9))
    (path,) = folder.iterdir()
    return path


def _diverging() -> Pack:
    """Whole rows, one that diverges at once and one that does so after a few steps."""
    columns = {"rho": 0.1, "alpha": 0.2}
    rates = (0.1, 1e30, 0.05, 3e3, 0.1)
    trials = [a_trial("gsam", k, k % 2, **columns, lr=lr) for k, lr in enumerate(rates)]
    return Pack(trials=tuple(trials))


def _poisoned() -> Task:
    """One example overflows: a row that dies of its batch would live on in the next."""
    task = blobs(widths=(16, 32, 3))
    x = task.train.x.copy()
    x[0] = 3e38
    return replace(task, train=replace(task.train, x=x))


CASES: dict[str, tuple[Pack, Task, Training, dict[str, Any]]] = {
    "two passes": (a_pack("adaptive_gsam", 7), small_moons(), RECIPE, {}),
    "one pass": (a_pack("sgd", 3), small_moons(), RECIPE, {"sharpness": WANTED}),
    "twice the epochs": (a_pack("sgd_2x", 2), small_moons(), ADAM, {}),
    "adam": (a_pack("asam", 3), small_moons(), ADAM, {}),
    "adamw": (a_pack("gsam_matched", 3), blobs(), ADAMW, {"sharpness": WANTED}),
    "float64": (a_pack("sam", 2), blobs(), RECIPE, {"dtype": torch.float64}),
    "diverged": (_diverging(), small_moons(), RECIPE, {"sharpness": WANTED}),
    "poisoned": (a_pack("sam", 3), _poisoned(), RECIPE, {}),
    "rows": (a_pack("gsam", 3), images(), ADAM, {"way": "rows"}),
    "vmap": (a_pack("gsam", 3), images(), RECIPE, {"way": "vmap"}),
    "dropout": (a_pack("adaptive_gsam", 3), DROPOUT, ADAMW, {}),
    "perceptron by rows": (a_pack("gap_penalty", 2), blobs(), RECIPE, {"way": "rows"}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pack_that_is_cut_off_again_and_again_has_the_same_bits(
    case: str, tmp_path: Path
) -> None:
    pack, task, recipe, more = CASES[case]
    train = partial(train_pack, pack, task, recipe, study_seed=5, **more)
    whole = train()
    per_epoch = -(-len(task.train.y) // recipe.batch_size)
    epochs = len(whole[0].curve.f)
    last = per_epoch * epochs
    made = []
    for cut in (1, per_epoch - 1, per_epoch, per_epoch + 2, last - 1, last, None):
        with _cut_after(cut) as steps:
            try:
                outcomes = train(checkpoints=Checkpoints(folder=tmp_path / "new", every=1.0))
            except CutError:
                assert cut is not None
        made += steps
    assert all(map(same_bits, whole, outcomes))
    assert made == list(range(last))  # each step once: it did carry on
    assert list((tmp_path / "new").iterdir()) == []
    if case == "diverged":
        at_once, later = (o.diverged_step for o in whole if o.diverged)
        assert at_once is not None
        assert later is not None
        assert at_once < later < per_epoch


def test_the_seconds_are_those_of_all_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = partial(train_pack, a_pack("gsam", 2), small_moons(), RECIPE, study_seed=5)
    clock = time.perf_counter
    for cut, took in ((5, 7000.0), (12, 800.0), (None, 90.0)):
        calls = chain([0.0], repeat(took))
        monkeypatch.setattr(time, "perf_counter", lambda: clock() + next(calls))  # noqa: B023
        if cut:
            cut_off(train, tmp_path, cut)
        else:
            outcome, _ = train(checkpoints=Checkpoints(folder=tmp_path, every=1000.0))
    assert 7890 <= 2 * outcome.seconds < 7990


def test_the_file_is_its_owners_alone_and_written_when_it_is_time(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    train = partial(train_pack, a_pack("gsam", 64), small_moons(), RECIPE, study_seed=5)
    for every in (0.0, 1000.0):
        train(checkpoints=Checkpoints(folder=folder, every=every))
        assert not folder.exists()
    path = cut_off(train, folder, 3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    written = []
    write = Checkpoint.write

    def watch(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], **place: int) -> None:
        write(checkpoint, tensors, **place)
        written.append((place["step"], time.monotonic()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "write", watch)
        train(checkpoints=Checkpoints(folder=folder, every=0.005))
    assert len(written) > 1
    assert min(np.diff([at for _, at in written])) >= 0.005
    assert list(folder.iterdir()) == []


CHANGES: dict[str, dict[str, Any]] = {
    "seed": {"study_seed": 6},
    "task": {"task": replace(small_moons(), name="other")},
    "training": {"training": RECIPE.model_copy(update={"lr": 0.11})},
    "hyperparameters": {"pack": a_pack("sam", 3)},
    "rows": {"pack": Pack(trials=a_pack("gsam", 3).trials[::-1])},
    "sharpness": {"sharpness": WANTED},
    "way": {"way": "vmap"},
    "dtype": {"dtype": torch.float64},
    "width": {"task": replace(blobs(widths=(2, 32, 32, 2)), name=small_moons().name)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_packs_file_has_another_name(change: str, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"pack": a_pack("gsam", 3), "task": small_moons()}
    arguments |= {"training": RECIPE, "study_seed": 5, "way": "rows"}
    first = cut_off(partial(train_pack, **arguments), tmp_path, 3)
    first.rename(tmp_path / "kept")
    second = cut_off(partial(train_pack, **{**arguments, **CHANGES[change]}), tmp_path / "2", 3)
    assert first.name != second.name


_CHILD = """
import logging, sys
from pathlib import Path
from agsam_tune.engine import Checkpoints, train_pack
from agsam_tune.study import Training
from tests.engine.problems import a_pack, blobs

logging.basicConfig(level=logging.INFO)
checkpoints = Checkpoints(folder=Path(sys.argv[1]), every=0.03)
recipe = Training.model_validate_json(sys.argv[2])
for o in train_pack(a_pack("gsam", 4), blobs(), recipe, study_seed=5, checkpoints=checkpoints):
    print(repr(o.curve), o.test_loss, o.radius)
"""


def _wait_for_a_write(child: subprocess.Popen[bytes], folder: Path) -> None:
    def written() -> list[int]:
        return [path.stat().st_mtime_ns for path in folder.glob("*.checkpoint")]

    before = written()
    while written() == before:
        assert child.poll() is None
        time.sleep(0.002)


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_processes_are_carried_on_by_others(kills: int, tmp_path: Path) -> None:
    """kill −9 at random moments, while it writes as well."""
    recipe = Training(epochs=25 * kills, batch_size=8, lr=0.1, momentum=0.9)
    command = [sys.executable, "-c", _CHILD, str(tmp_path), recipe.model_dump_json()]
    for delay in np.random.default_rng(0).uniform(0.0, 0.1, size=kills):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _wait_for_a_write(child, tmp_path)
        time.sleep(delay)
        child.kill()
        assert child.wait() == -9  # it had not come to its end
    (path,) = tmp_path.glob("*.checkpoint")
    (tmp_path / f".{path.name}-abc").write_text("half a file")  # as one killed while it writes
    (tmp_path / "others").write_text("is not ours")
    last = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "the pack carries on after step" in last.stderr
    whole = train_pack(a_pack("gsam", 4), blobs(), recipe, study_seed=5)
    assert last.stdout.splitlines() == [f"{o.curve!r} {o.test_loss} {o.radius}" for o in whole]
    assert [p.name for p in tmp_path.iterdir()] == ["others"]


@pytest.mark.gpu
def test_a_pack_carries_on_on_a_gpu(tmp_path: Path) -> None:
    train = partial(
        train_pack, a_pack("adaptive_gsam", 5), images(), ADAMW, study_seed=5, device="cuda"
    )
    cut_off(train, tmp_path, 6)
    with _cut_after(None) as steps:
        outcomes = train(checkpoints=Checkpoints(folder=tmp_path, every=1.0))
    assert steps[0] == 6
    for a, b in zip(train(), outcomes, strict=True):
        np.testing.assert_allclose(a.curve.f, b.curve.f, rtol=1e-3)
