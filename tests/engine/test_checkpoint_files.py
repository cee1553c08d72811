"""Bad checkpoints and bad folders: nothing is run, and nothing stops a training."""

import logging
import math
import os
import pickle
import resource
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agsam_tune.engine import Checkpoints, train_pack
from agsam_tune.trials import Outcome
from tests.engine.problems import RECIPE, a_pack, same_bits, small_moons
from tests.engine.test_checkpoint import cut_off

pytestmark = pytest.mark.usefixtures("machine_code")


def _moons_pack(**more: Any) -> tuple[Outcome, ...]:
    return train_pack(a_pack("gsam", 3), small_moons(), RECIPE, study_seed=5, **more)


@cache
def _undisturbed() -> tuple[Outcome, ...]:
    return _moons_pack()


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pack that was cut off has left behind."""
    return cut_off(_moons_pack, tmp_path_factory.mktemp("left"), 12)


def test_a_file_of_other_data_starts_anew_under_whatever_name(
    left: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moons = small_moons()
    shifted = replace(moons, train=replace(moons.train, x=moons.train.x + np.float32(0.1)))
    train = partial(train_pack, a_pack("gsam", 3), shifted, RECIPE, study_seed=5)
    path = cut_off(train, tmp_path, 12)
    assert path.name != left.name
    shutil.copy(left, path)
    outcomes = train(checkpoints=Checkpoints(folder=tmp_path, every=math.inf))
    assert all(map(same_bits, train(), outcomes))
    assert "it is another pack's" in caplog.text
    assert not path.exists()


class _Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _changed(path: Path, **content: Any) -> None:
    torch.save({**torch.load(path, weights_only=True), **content}, path)


def _tensors(path: Path, **changes: Tensor) -> None:
    saved = torch.load(path, weights_only=True)
    torch.save({**saved, "tensors": {**saved["tensors"], **changes}}, path)


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def _zip_bomb(path: Path) -> None:
    """A few kilobytes that would unpack to 8 MiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(8 << 20))


def _replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "torn": lambda path: os.truncate(path, path.stat().st_size - 1000),
    "a flipped bit": _flipped,
    "too large": lambda path: _tensors(path, more=torch.zeros(1 << 19)),
    "a zip bomb": _zip_bomb,
    "a pickle": lambda path: path.write_bytes(pickle.dumps(_Bomb(path.with_name("pwned")))),
    "an object": lambda path: torch.save(_Bomb(path.with_name("pwned")), path),
    "an object within": lambda path: _changed(path, step=_Bomb(path.with_name("pwned"))),
    "the old format": lambda path: torch.save(
        torch.load(path, weights_only=True), path, _use_new_zipfile_serialization=False
    ),
    "a list": lambda path: torch.save([1, 2], path),
    "nothing": lambda path: torch.save({}, path),
    "another digest": lambda path: _changed(path, digest="0" * 64),
    "a late step": lambda path: _changed(path, step=10**9),
    "an early step": lambda path: _changed(path, step=-1),
    "another epoch": lambda path: _changed(path, epochs=2),
    "a step that is a float": lambda path: _changed(path, step=12.0),
    "a step that is a tensor": lambda path: _changed(path, step=torch.tensor(12)),
    "endless seconds": lambda path: _changed(path, seconds=math.inf),
    "no tensors": lambda path: _changed(path, tensors={}),
    "wrong tensors": lambda path: _changed(path, tensors=[torch.zeros(3)]),
    "one more": lambda path: _tensors(path, more=torch.zeros(3)),
    "another shape": lambda path: _tensors(path, w_KP=torch.zeros(1)),
    "another type": lambda path: _tensors(path, alive_K=torch.ones(3)),
    "a sparse one": lambda path: _tensors(path, alive_K=torch.ones(3).bool().to_sparse()),
    "a folder": lambda path: _replaced(path, Path.mkdir),
    "a pipe": lambda path: _replaced(path, os.mkfifo),
    "a dead link": lambda path: _replaced(path, lambda p: p.symlink_to(p.with_name("none"))),
    "an endless link": lambda path: _replaced(path, lambda p: p.symlink_to("/dev/zero")),
}  # fmt: skip
REASONS = {
    "a flipped bit": "is damaged",
    **dict.fromkeys(("too large", "a zip bomb"), "is too large"),
    **dict.fromkeys(("a pipe", "a dead link", "an endless link"), "is not a file"),
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_bad_file_is_passed_over_and_never_run(
    hostile: str, left: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(shutil.copy(left, tmp_path))
    HOSTILE[hostile](path)
    for every in (math.inf, 1e-9):  # whether it is written over or not
        caplog.clear()
        outcomes = _moons_pack(checkpoints=Checkpoints(folder=tmp_path, every=every))
        assert all(map(same_bits, _undisturbed(), outcomes))
        if every == math.inf or hostile == "a folder":
            assert "is passed over; the pack starts anew" in caplog.text
            assert REASONS.get(hostile, "") in caplog.text
            assert all("\n" not in record.message for record in caplog.records)
    assert [p.name for p in tmp_path.iterdir()] == ([path.name] if hostile == "a folder" else [])


@contextmanager
def _no_file_longer_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("fault", ["no folder", "full in the middle", "full at the end"])
def test_a_folder_that_takes_no_file_is_said_once_and_stops_nothing(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    checkpoints = Checkpoints(folder=folder, every=1e-9)
    if fault == "no folder":
        folder.write_text("a file")
        outcomes = _moons_pack(checkpoints=checkpoints)
    elif fault == "full in the middle":
        with _no_file_longer_than(4096):
            outcomes = _moons_pack(checkpoints=checkpoints)
    else:

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        outcomes = _moons_pack(checkpoints=checkpoints)
    assert all(map(same_bits, _undisturbed(), outcomes))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "cannot be written; the pack trains on without" in record.message
    assert folder.is_file() or list(folder.iterdir()) == []
