"""Packs that were cut off carry on, to the bit."""

import math
import os
import signal
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
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agsam_tune.engine import Checkpoints, checkpoint, train_pack, training
from agsam_tune.engine.checkpoint import Checkpoint
from agsam_tune.engine.lockstep import Lockstep
from agsam_tune.study import Sharpness, Training
from agsam_tune.tasks.task import Network, Task
from agsam_tune.trials import Pack
from tests.engine.problems import RECIPE, a_pack, a_trial, blobs, same_bits, small_moons
from tests.engine.test_gpu import ADAMW
from tests.engine.test_networks import Dropped, images
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("machine_code")

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
    "float64": (a_pack("sam", 2), blobs(), RECIPE, {"way": "stacked", "dtype": torch.float64}),
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
                outcomes = train(checkpoints=Checkpoints(folder=tmp_path / "new", every=math.inf))
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
    for cut, took in ((5, 7000.0), (12, 800.0), (None, 90.0)):
        # The first to ask is the start of the training.
        calls = chain([1e6], repeat(1e6 + took))
        for module in (training, checkpoint):
            clock = SimpleNamespace(perf_counter=lambda: next(calls), monotonic=lambda: 0.0)  # noqa: B023
            monkeypatch.setattr(module, "time", clock)
        if cut:
            cut_off(train, tmp_path, cut)
        else:
            outcome, _ = train(checkpoints=Checkpoints(folder=tmp_path, every=math.inf))
    assert 2 * outcome.seconds == 7890


def test_the_file_is_its_owners_alone_and_written_when_it_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new" / "folder"
    train = partial(train_pack, a_pack("gsam", 4), small_moons(), RECIPE, study_seed=5)
    for every in (0.0, math.inf):
        train(checkpoints=Checkpoints(folder=folder, every=every))
        assert not folder.exists()
    path = cut_off(train, folder, 3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # A clock on which a step takes a second.
    steps, written = [3], []
    step_, write_ = Lockstep.take_step, Checkpoint.write

    def step(run: Lockstep, *arguments: Any) -> None:
        step_(run, *arguments)
        steps.append(run.step)

    def write(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], **place: int) -> None:
        write_(checkpoint, tensors, **place)
        written.append(place["step"])

    clock = SimpleNamespace(monotonic=lambda: float(steps[-1]), perf_counter=time.perf_counter)
    monkeypatch.setattr(checkpoint, "time", clock)
    monkeypatch.setattr(Lockstep, "take_step", step)
    monkeypatch.setattr(Checkpoint, "write", write)
    train(checkpoints=Checkpoints(folder=folder, every=3.5))
    assert written == [7, 11, 15, 19]
    assert list(folder.iterdir()) == []


CHANGES: dict[str, dict[str, Any]] = {
    "seed": {"study_seed": 6},
    "data": {"tasks": small_moons(4)},
    "training": {"training": RECIPE.model_copy(update={"lr": 0.11})},
    "hyperparameters": {"pack": a_pack("sam", 3)},
    "rows": {"pack": Pack(trials=a_pack("gsam", 3).trials[::-1])},
    "sharpness": {"sharpness": WANTED},
    "way": {"way": "vmap"},
    "dtype": {"dtype": torch.float64},
    "width": {"tasks": blobs(widths=(2, 32, 32, 2))},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_packs_file_has_another_name(change: str, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"pack": a_pack("gsam", 3), "tasks": small_moons()}
    arguments |= {"training": RECIPE, "study_seed": 5, "way": "rows"}
    first = cut_off(partial(train_pack, **arguments), tmp_path, 3)
    first.rename(tmp_path / "kept")
    second = cut_off(partial(train_pack, **{**arguments, **CHANGES[change]}), tmp_path / "2", 3)
    assert first.name != second.name


def _killed(train: Callable[..., object], folder: Path, place: str, count: int) -> None:
    """Train in a process that ends at once, as by `kill -9`, when it comes to a place again.

    Args:
        train: the training.
        folder: of its checkpoints.
        place: "step", "written", or "fsync": between two steps, after a write, or within one.
        count: the how manieth time.
    """
    child = os.fork()
    if child:
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        return
    try:
        module: Any = {"step": Lockstep, "written": Checkpoint, "fsync": os}[place]
        name = {"step": "take_step", "written": "write", "fsync": "fsync"}[place]
        made, calls = getattr(module, name), iter(range(1, count))

        def counted(*arguments: Any, **more: Any) -> None:
            if place != "fsync":
                made(*arguments, **more)
            if next(calls, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(module, name, counted)
        train(checkpoints=Checkpoints(folder=folder, every=1e-9))
    finally:
        os._exit(1)  # it had come to its end


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_killed_processes_are_carried_on_by_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train = partial(train_pack, a_pack("gsam", 4), blobs(), RECIPE, study_seed=5)
    for place in ("written", "step", "fsync"):
        _killed(train, tmp_path, place, 3)
    (path,) = tmp_path.glob("*.checkpoint")
    assert list(tmp_path.glob(f".{path.name}-*"))  # half a file, of the one killed in a write
    (tmp_path / "others").write_text("is not ours")
    caplog.set_level("INFO")
    with _cut_after(None) as steps:
        outcomes = train(checkpoints=Checkpoints(folder=tmp_path, every=math.inf))
    # Three steps of the first process, two of the second: its third had not been written yet.
    assert steps == list(range(7, 14))
    assert "the pack carries on after step 7" in caplog.text
    assert all(map(same_bits, train(), outcomes))
    assert [p.name for p in tmp_path.iterdir()] == ["others"]


_CHILD = """
import sys
from pathlib import Path
from agsam_tune.engine import Checkpoints, train_pack
from agsam_tune.study import Training
from tests.engine.problems import a_pack, blobs

checkpoints = Checkpoints(folder=Path(sys.argv[1]), every=0.03)
recipe = Training.model_validate_json(sys.argv[2])
for o in train_pack(a_pack("gsam", 4), blobs(), recipe, study_seed=5, checkpoints=checkpoints):
    print(repr(o.curve), o.test_loss, o.radius)
"""


@pytest.mark.slow
def test_processes_that_are_killed_at_random_moments(tmp_path: Path) -> None:
    """While they write as well; one that is quicker than the kill has come to the right end."""
    recipe = Training(epochs=500, batch_size=8, lr=0.1, momentum=0.9)
    command = [sys.executable, "-c", _CHILD, str(tmp_path), recipe.model_dump_json()]
    whole = train_pack(a_pack("gsam", 4), blobs(), recipe, study_seed=5)
    wanted = [f"{o.curve!r} {o.test_loss} {o.radius}" for o in whole]

    def written() -> list[int]:
        return [path.stat().st_mtime_ns for path in tmp_path.glob("*.checkpoint")]

    ended = []
    for delay in np.random.default_rng(0).uniform(0.0, 0.1, size=20):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        before = written()
        until(lambda: written() != before or child.poll() is not None)  # noqa: B023
        time.sleep(delay)
        child.kill()
        printed, _ = child.communicate()
        ended.append(child.returncode)
        assert printed.splitlines() == (wanted if child.returncode == 0 else [])
    assert -signal.SIGKILL in ended
    last = subprocess.run(command, capture_output=True, text=True, check=True)
    assert last.stdout.splitlines() == wanted
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gpu
def test_a_pack_carries_on_on_a_gpu(tmp_path: Path) -> None:
    train = partial(
        train_pack, a_pack("adaptive_gsam", 5), images(), ADAMW, study_seed=5, device="cuda"
    )
    cut_off(train, tmp_path, 6)
    with _cut_after(None) as steps:
        outcomes = train(checkpoints=Checkpoints(folder=tmp_path, every=math.inf))
    assert steps[0] == 6
    for a, b in zip(train(), outcomes, strict=True):
        np.testing.assert_allclose(a.curve.f, b.curve.f, rtol=1e-3)
