"""How many trials are stored of a run, and how they ended.

In: where the results lie. Out: how each trial ended, and counts. Heavy packages are imported for
databases and imports alone. Must not import torch or Ray.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from agsam_tune.columns import COLLAPSED, SET_ASIDE
from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder
from agsam_tune.importing import read_imported_trials
from agsam_tune.paths import is_url
from agsam_tune.recorded import RecordedRun
from agsam_tune.regular import check_regular
from agsam_tune.study import Study

# Optuna's numbers in its journal: what a line does, and how a trial ended.
_CREATE_STUDY, _DELETE_STUDY, _SET_ATTRIBUTE, _CREATE_TRIAL = 0, 1, 2, 4
_COMPLETE, _FAIL = 1, 3
# Most of a line; it is cut off, and the two objects that it stands in are closed.
_CURVE, _CLOSED = b',"curve":', b"}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Some trials of a run.

    Attributes:
        trials: that are stored.
        diverged: of those with a result.
        collapsed: diverged, or a score no better than trivial; where that is not known, diverged.
        raised: without a result.
    """

    trials: int
    diverged: int
    collapsed: int
    raised: int


class Ended(NamedTuple):
    """How a trial ended; NaN where it has no accuracy."""

    optimizer: str
    phase: str
    has_result: bool
    diverged: bool
    accuracy: float


def ended_trials(path: Path, run: RecordedRun) -> list[Ended]:
    """How each trial that is stored of a run has ended.

    Raises:
        UsageError: the results are gone or cannot be read.
    """
    location = run.location
    if location is None:
        return list(_imported(RunFolder(path=path).trials))
    if is_url(location):
        return list(_in_database(path, run.study, location))
    return list(_in_journal(Path(location), run.study))


def collapse_limit(trials: Iterable[Ended], trivial: float | None) -> float:
    """The score that a training must exceed not to count as collapsed (docs/design.md, Words)."""
    if trivial is None:
        return -math.inf
    best = max((one.accuracy for one in trials if one.accuracy >= trivial), default=trivial)
    return trivial + COLLAPSED * (best - trivial)


def count(trials: Iterable[Ended], limit: float) -> Count:
    """The count of these trials, of which those up to the limit have collapsed."""
    some = list(trials)
    ran = [one for one in some if one.has_result]
    return Count(
        trials=len(some),
        diverged=sum(one.diverged for one in ran),
        collapsed=sum(one.diverged or one.accuracy <= limit for one in ran),
        raised=len(some) - len(ran),
    )


def _in_journal(file: Path, study: Study) -> Iterator[Ended]:
    """The trials in a journal that a driver may be writing to, each key once."""
    optimizers = {f"{study.name}/{name}": name for name in study.optimizers}
    names: dict[int, str] = {}
    stored: dict[int, list[tuple[object, Ended] | None]] = {}
    aside: dict[int, set[int]] = {}
    created = 0
    for log in _logs(file):
        code, own = log["op_code"], int(log.get("study_id", -1))
        if code == _CREATE_STUDY and log["study_name"] not in names.values():
            names[created] = log["study_name"]
            created += 1
        elif code == _DELETE_STUDY:
            names.pop(own, None)
            stored.pop(own, None)
        elif names.get(own, "") not in optimizers:
            continue
        elif code == _CREATE_TRIAL:
            stored.setdefault(own, []).append(_of_log(optimizers[names[own]], log))
        elif code == _SET_ATTRIBUTE and SET_ASIDE in log["user_attr"]:
            aside[own] = set(log["user_attr"][SET_ASIDE])
    for own, rows in stored.items():
        counting = (row for n, row in enumerate(rows) if row and n not in aside.get(own, ()))
        yield from dict(counting).values()


def _of_log(optimizer: str, log: dict[str, Any]) -> tuple[object, Ended] | None:
    """A trial's key and how it ended; None for one that was enqueued by hand."""
    facts = log.get("user_attrs") or {}
    if "phase" not in facts or log["state"] not in (_COMPLETE, _FAIL):
        return None
    key = (facts["phase"], facts["point"], facts["seed"])
    return key, _ended(optimizer, facts["phase"], log["state"] == _COMPLETE, facts)


def _logs(file: Path) -> Iterator[dict[str, Any]]:
    """The journal's whole lines, without learning curves."""
    try:
        check_regular(file)
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n") or b"\0" in line:
                    return  # being written, or torn
                head, cut, _ = line.partition(_CURVE)
                try:
                    yield json.loads(head + _CLOSED if cut else line)
                except ValueError as error:
                    msg = f"{file}: line {number} of the journal is broken"
                    raise UsageError(msg) from error
    except FileNotFoundError:
        raise UsageError(f"the results are gone: there is no {file}") from None
    except OSError as error:
        raise UsageError(f"{file}: the results cannot be read: {error.strerror}") from error


def _ended(optimizer: str, phase: str, completed: bool, facts: dict[str, Any]) -> Ended:
    diverged, accuracy = bool(facts["diverged"]), facts["test_accuracy"]
    number = math.nan if accuracy is None else float(accuracy)
    has_result = completed and (diverged or math.isfinite(number))
    return Ended(optimizer, str(phase), has_result, diverged, number)


def _in_database(path: Path, study: Study, location: str) -> Iterator[Ended]:
    from agsam_tune.store import ResultStore, StorageError
    from agsam_tune.trials import State

    try:
        with closing(ResultStore.read(study, location, curves=False)) as store:
            for one in store.outcomes():
                facts = {"diverged": one.diverged, "test_accuracy": one.test_accuracy}
                completed = one.state is State.COMPLETE
                yield _ended(one.trial.optimizer, one.trial.phase, completed, facts)
    except StorageError as error:
        raise UsageError(f"{path}: {error}") from error


def _imported(file: Path) -> Iterator[Ended]:
    columns = ["optimizer", "phase", "state", "diverged", "test_accuracy"]
    for row in read_imported_trials(file)[columns].to_dict(orient="records"):
        completed = row["state"] == "COMPLETE"
        yield _ended(str(row["optimizer"]), row["phase"], completed, row)
