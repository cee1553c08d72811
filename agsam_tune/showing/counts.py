"""How many trials are stored of a run, and how they ended.

In: where the results lie. Out: counts by optimizer. Heavy packages are imported for databases and
imports alone. Must not import torch or Ray.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from agsam_tune.columns import FAILURE_MARGIN
from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder
from agsam_tune.importing import read_imported_trials
from agsam_tune.paths import is_url
from agsam_tune.recorded import RecordedRun
from agsam_tune.regular import check_regular
from agsam_tune.study import Study

# Optuna's numbers in its journal: what a line does, and how a trial ended.
_CREATE_STUDY, _DELETE_STUDY, _CREATE_TRIAL = 0, 1, 4
_COMPLETE, _FAIL = 1, 3
# Most of a line; it is cut off, and the two objects that it stands in are closed.
_CURVE, _CLOSED = b',"curve":', b"}}"


@dataclass(slots=True)
class Count:
    """Trials of one optimizer.

    Attributes:
        trials: that are stored.
        diverged: of those with a result.
        failed: diverged, or at chance; without a known chance, diverged.
        raised: without a result.
    """

    trials: int = 0
    diverged: int = 0
    failed: int = 0
    raised: int = 0


class _Ended(NamedTuple):
    """How a trial ended; NaN where it has no accuracy."""

    optimizer: str
    has_result: bool
    diverged: bool
    accuracy: float


def count_trials(path: Path, run: RecordedRun) -> dict[str, Count]:
    """Counts by optimizer, in the study's order.

    Raises:
        UsageError: the results are gone or cannot be read.
    """
    location = run.location
    if location is None:
        ended: Iterable[_Ended] = _imported(RunFolder(path=path).trials)
    elif is_url(location):
        ended = _in_database(path, run.study, location)
    else:
        ended = _in_journal(Path(location), run.study)
    limit = -math.inf if run.chance is None else run.chance + FAILURE_MARGIN
    counts = {name: Count() for name in run.study.optimizers}
    for one in ended:
        count = counts[one.optimizer]
        count.trials += 1
        if one.has_result:
            count.diverged += one.diverged
            count.failed += one.diverged or one.accuracy <= limit
        else:
            count.raised += 1
    return counts


def _in_journal(file: Path, study: Study) -> Iterator[_Ended]:
    """The trials in a journal that a driver may be writing to, each key once."""
    names = {f"{study.name}/{optimizer}": optimizer for optimizer in study.optimizers}
    studies: dict[int, str] = {}
    known: set[tuple[object, ...]] = set()
    created = 0
    for log in _logs(file):
        code, own = log["op_code"], int(log.get("study_id", -1))
        if code == _CREATE_STUDY and log["study_name"] not in studies.values():
            studies[created] = log["study_name"]
            created += 1
        elif code == _DELETE_STUDY:
            studies.pop(own, None)
        elif code == _CREATE_TRIAL and studies.get(own, "") in names:
            facts, optimizer = log.get("user_attrs") or {}, names[studies[own]]
            if "phase" not in facts or log["state"] not in (_COMPLETE, _FAIL):
                continue  # enqueued by hand
            key = (optimizer, facts["phase"], facts["point"], facts["seed"])
            if key not in known:
                known.add(key)
                yield _ended(optimizer, log["state"] == _COMPLETE, facts)


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


def _ended(optimizer: str, completed: bool, facts: dict[str, Any]) -> _Ended:
    diverged, accuracy = bool(facts["diverged"]), facts["test_accuracy"]
    number = math.nan if accuracy is None else float(accuracy)
    return _Ended(optimizer, completed and (diverged or math.isfinite(number)), diverged, number)


def _in_database(path: Path, study: Study, location: str) -> Iterator[_Ended]:
    from agsam_tune.store import ResultStore, StorageError
    from agsam_tune.trials import State

    try:
        with closing(ResultStore.read(study, location, curves=False)) as store:
            for one in store.outcomes():
                facts = {"diverged": one.diverged, "test_accuracy": one.test_accuracy}
                yield _ended(one.trial.optimizer, one.state is State.COMPLETE, facts)
    except StorageError as error:
        raise UsageError(f"{path}: {error}") from error


def _imported(file: Path) -> Iterator[_Ended]:
    columns = ["optimizer", "state", "diverged", "test_accuracy"]
    for row in read_imported_trials(file)[columns].to_dict(orient="records"):
        yield _ended(str(row["optimizer"]), row["state"] == "COMPLETE", row)
