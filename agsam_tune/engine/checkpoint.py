"""The checkpoint of a long pack: a file from which a training that was cut off carries on.

In: what decides a pack's numbers, and its state between two steps. Out: a file, and the state
again. Nothing else knows the format. Random streams are named by coordinates, so they have no
state to keep. Must not import Ray or Optuna.

Nothing that is wrong with a file or a folder stops a training: it is logged, and the pack
starts anew or goes on without.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, Self

import torch
from torch import Tensor

from agsam_tune.atomic import replacing
from agsam_tune.engine.inspection import raised

_LOG = logging.getLogger(__name__)
_FORMAT = 1
# What a file may hold besides the numbers themselves; its pickle takes a few hundred bytes.
_SLACK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Where and how often packs write checkpoints.

    Attributes:
        folder: of the files, one a pack in training; it need not exist. Whoever is to carry on
            must reach it.
        every: seconds from one to the next, 0 for none. A shorter training writes none.
    """

    folder: Path
    every: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a training stands.

    Attributes:
        step: whole steps.
        epochs: closed epochs; the steps of one more may all be made.
        seconds: spent so far.
    """

    step: int
    epochs: int
    seconds: float

    @classmethod
    def of(cls, content: Mapping[str, Any], *, epochs: int, per_epoch: int) -> Self:
        """The place that a file tells; ValueError unless it is within the training."""
        place = cls(step=content["step"], epochs=content["epochs"], seconds=content["seconds"])
        types = type(place.step), type(place.epochs), type(place.seconds)
        if types != (int, int, float) or not 0 <= place.seconds < math.inf:
            raise ValueError("its numbers are of other kinds")
        within = 0 <= place.step - place.epochs * per_epoch <= per_epoch
        if not (0 <= place.epochs < epochs and within):
            raise ValueError("its place is outside the training")
        return place


class Checkpoint:
    """One pack's checkpoint, whose file lies there from the first write to the pack's end.

    Args:
        checkpoints: where and how often.
        facts: what decides the pack's numbers, to be written as JSON.
        started: when the training began, by `time.perf_counter`.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        facts: Mapping[str, Any],
        *,
        started: float,
    ) -> None:
        text = json.dumps({**facts, "format": _FORMAT, "torch": torch.__version__}, sort_keys=True)
        self._name = hashlib.sha256(text.encode()).hexdigest()
        self._path = checkpoints.folder / f"{self._name}.checkpoint"
        self._every = checkpoints.every
        self._started = started
        self._due = time.monotonic() + self._every
        self._warned = False

    def is_due(self) -> bool:
        """Whether it is time to write; asked after every step."""
        return time.monotonic() >= self._due

    def write(self, tensors: Mapping[str, Tensor], *, step: int, epochs: int) -> None:
        """Write the state of a training, or say once that it cannot be written.

        Args:
            tensors: all that its steps have changed, by name; it is moved to the CPU.
            step: whole steps.
            epochs: closed epochs.
        """
        content = {
            "digest": self._name,
            "step": step,
            "epochs": epochs,
            "seconds": time.perf_counter() - self._started,
        }
        try:
            content["tensors"] = {name: tensor.cpu() for name, tensor in tensors.items()}
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Straight to the disk, since a GPU pack's state may be as large as its memory.
            with replacing(self._path, mode=0o600) as file:
                torch.save(content, file)
        except (OSError, RuntimeError, MemoryError) as error:  # PyTorch's, for a full disk
            self._warn("cannot be written; the pack trains on without: %s", error)
        self._due = time.monotonic() + self._every

    def read(self, tensors: Mapping[str, Tensor], *, epochs: int, per_epoch: int) -> Place | None:
        """Carry on: fill `tensors` with what the file holds, if there is one of this pack.

        Args:
            tensors: of a training that has not begun, under the names that were written.
            epochs: of the whole training.
            per_epoch: steps of an epoch.

        Returns:
            Where the training stands now, or None: nothing was changed and it starts anew.
        """
        if not os.path.lexists(self._path):
            return None
        try:
            content = _loaded(self._path, sum(tensor.nbytes for tensor in tensors.values()))
            if content["digest"] != self._name:
                raise ValueError("it is another pack's")
            place = Place.of(content, epochs=epochs, per_epoch=per_epoch)
            saved = _fitting(content["tensors"], tensors)
        except Exception as error:  # noqa: BLE001  (whatever a file may raise)
            _LOG.warning(
                "checkpoint %s is passed over; the pack starts anew: %s", self._path, _line(error)
            )
            return None
        for name, tensor in tensors.items():
            tensor.copy_(saved[name])
        self._started -= place.seconds
        _LOG.info("checkpoint %s: the pack carries on after step %d", self._path, place.step)
        return place

    def remove(self) -> None:
        """Remove the file, and what writers that were killed have left of it."""
        try:
            self._path.unlink(missing_ok=True)
            for rest in self._path.parent.glob(f".{self._path.name}-*"):
                rest.unlink(missing_ok=True)
        except OSError as error:
            self._warn("cannot be removed: %s", error)

    def _warn(self, what: str, error: Exception) -> None:
        if not self._warned:
            _LOG.warning(f"checkpoint %s {what}", self._path, _line(error))
        self._warned = True


def _loaded(path: Path, most: int) -> dict[str, Any]:
    """What the file holds: plain values and tensors; no other object is ever built from it.

    Args:
        path: the file.
        most: bytes of the tensors that are looked for.

    Raises:
        Exception: of any kind, for a file that is torn, too large or no checkpoint.
    """
    if not path.is_file():
        raise ValueError("it is not a file")
    # PyTorch checks no sums, and unpacks what is compressed.
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > most + _SLACK:
            raise ValueError("it is too large")
        if archive.testzip() is not None:
            raise ValueError("it is damaged")
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise TypeError("it holds something else")
    return content


def _fitting(saved: Any, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The saved tensors, if they are those that are expected."""
    if not isinstance(saved, dict) or saved.keys() != expected.keys():
        raise ValueError("it holds other tensors")
    for name, tensor in expected.items():
        found = saved[name]
        if type(found) is not Tensor or found.layout is not torch.strided:
            raise ValueError(f"its {name} is no tensor")
        if (found.shape, found.dtype) != (tensor.shape, tensor.dtype):
            raise ValueError(f"its {name} has another shape or type")
    return saved


def _line(error: Exception) -> str:
    return shorten(raised(error), 200, placeholder=" …")
