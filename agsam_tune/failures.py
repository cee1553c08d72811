"""What trials raised: their tracebacks, each kind once, in a file of the run's folder.

In: exceptions, in a worker. Out: `Failure`s, which go to the driver, and the text file that it
keeps them in. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agsam_tune.atomic import replace_file
from agsam_tune.trials import Trial

# Characters of one traceback, and bytes of the file: a fault that differs in every trial fills no
# disk.
_LONGEST, LARGEST_FILE = 20_000, 1 << 20
_MOST_OF_A_PACK = 20
_RULE = "-" * 78
_FULL = f"{_RULE}\nThis file is full: what was raised later is not in it.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a trial raised.

    Attributes:
        trial: the trial, in words.
        kind: a digest of where it was raised, and of what type: the same for trials that failed
            alike, whatever numbers are in their messages.
        text: the traceback.
    """

    trial: str
    kind: str
    text: str

    def to_dict(self) -> dict[str, str]:
        """Plain values, to go to another process."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Failure:
        return cls(**values)


def failure(trial: Trial, error: BaseException) -> Failure:
    """What a trial raised, with its traceback."""
    places = [
        (frame.filename, frame.lineno, frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    digest = hashlib.blake2b(repr((type(error).__name__, places)).encode(), digest_size=6)
    text = "".join(traceback.format_exception(error))
    if len(text) > _LONGEST:  # a message may hold a whole array; where it was raised comes first
        half = _LONGEST // 2
        text = f"{text[:half]}\n…\n{text[-half:]}"
    values = "".join(f", {name} = {value:g}" for name, value in trial.hyperparameters)
    where = f"{trial.optimizer}, {trial.phase}, point {trial.point}, seed {trial.seed}"
    return Failure(trial=where + values, kind=digest.hexdigest(), text=text)


def distinct(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """The first of each kind, of so many kinds as a file is good for."""
    kinds: dict[str, Failure] = {}
    for one in failures:
        kinds.setdefault(one.kind, one)
    return tuple(kinds.values())[:_MOST_OF_A_PACK]


def keep_failures(path: Path, failures: Iterable[Failure]) -> None:
    """Add those to the file that are of no kind in it, while it is not full.

    It is for people: where it cannot be written to, the run goes on without it.
    """
    try:
        found = path.read_text("utf-8") if path.exists() else ""
        for one in failures:
            if f"[{one.kind}]" in found or found.endswith(_FULL):
                continue
            entry = f"{_RULE}\n{one.trial} [{one.kind}]\n\n{one.text}\n"
            is_room = len((found + entry).encode("utf-8", "backslashreplace")) <= LARGEST_FILE
            found += entry if is_room else _FULL
            replace_file(path, found.encode("utf-8", "backslashreplace"))
    except (OSError, ValueError):
        return
