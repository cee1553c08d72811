"""Which rows of another program's table are the end of a training: reports, states and flags.

In: a `Source`. Out: one whose rows are trainings that came to their end; what was left out, and
why, is in its notes. Must not import torch, Ray or Optuna.

Shapes: N rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd

from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS
from agsam_tune.importing.cells import Mask, is_boolean, is_missing, is_true, raw_numbers
from agsam_tune.importing.source import Findings, Source
from agsam_tune.importing.vocabulary import (
    COUNTERS,
    FLAGS,
    IDS,
    STATES,
    SYNE,
    UNFINISHED,
    fold,
    state_word,
)

__all__ = ["ended"]

# This project's own states: what failed stays in the table, and is counted by the report.
_OWN_STATES = frozenset({"COMPLETE", "FAIL"})
_OWN_COLUMNS = frozenset({*BEFORE_HYPERPARAMETERS, *AFTER_HYPERPARAMETERS}) - {"state"}
# Columns that are states whatever is in them.
_STATE_NAMES = frozenset({"state", "status", "trial_state", "run_state", "st_status"})
# Syne Tune writes a report's state at that moment, and the last report of a whole training too.
_AT_THE_MOMENT = frozenset({"inprogress", "in_progress"})
# What to think of where trainings of such states are left out.
_HINTS = (
    (
        {"fail", "failed", "crashed", "error", "errored"},
        "; if one of them diverged it is a result: give it diverged = true",
    ),
    ({"pruned", "stopped"}, "; it is the bad ones that are pruned, so that averages are too good"),
)
# Where Ray Tune and Syne Tune count a trial's reports.
_REPORTS = ("training_iteration", "st_worker_iter")
_NO_STATE = "without a state"


def ended(source: Source, findings: Findings) -> Source:
    """The rows that are the last report of a training that came to its end; N rows or fewer."""
    source, counter = _last_reports(source)
    for name in list(source.table):
        if fold(name) in FLAGS:
            source = _flagged(source, name, findings)
        elif name not in _OWN_COLUMNS:
            source = _stated(source, name, findings)
    return _note_fewer_reports(source, counter)


def _last_reports(source: Source) -> tuple[Source, str | None]:
    """Where a trial has a row for each report, the last one is its result; and what counts them.

    An id may also be a point's, whose trainings have optimizers and seeds of their own.
    """
    counter = next((c for c in COUNTERS if c in source.table), None)
    counted = next((c for c in _REPORTS if c in source.table), None)
    if counter is None:
        return source, None
    for name in IDS:
        if name not in source.table or is_missing(source, name).any():
            continue
        keys = [key for key in (name, "optimizer", "seed") if key in source.table]
        trials = source.table.groupby([source.table[key].map(str) for key in keys]).ngroup()
        counts = pd.Series(raw_numbers(source, counter)[0]).fillna(-np.inf)
        by_trial = counts.groupby(trials)
        if (by_trial.nunique() == 1).all():
            continue  # it counts no reports
        last = by_trial.transform("max")
        is_last = (counts == last) & ~trials.where(counts == last).duplicated(keep="last")
        source = source.without(~is_last.to_numpy(), "reports before a trial's last")
        counted = counter
    return source, counter if counted is None and not SYNE.isdisjoint(source.table) else counted


def _note_fewer_reports(source: Source, counter: str | None) -> Source:
    """The source, with a note on trials that a scheduler may have stopped early."""
    if counter is None:
        return source
    counts = pd.Series(raw_numbers(source, counter)[0])
    fewer = (counts < counts.max()).to_numpy()
    if not fewer.any():
        return source
    return source.noted(
        f"Fewer reports than other trials made {source.rows(fewer)}. If they were stopped early, "
        "what they have is the accuracy of that moment, and averages are not those of whole "
        "trainings."
    )


def _flagged(source: Source, name: str, findings: Findings) -> Source:
    """Without the rows of which `finished` is false; of Ray Tune's `done` that is only said."""
    missing = is_missing(source, name)
    cells = source.table[name]
    if missing.all() or not cells[~missing].map(is_boolean).all():
        return _stated(source, name, findings)
    true = cells.map(is_true).to_numpy(dtype=bool)
    if name != "done" or "training_iteration" not in source.table:
        words = cells.map(lambda cell: f"{name} = {str(cell).strip()}").mask(missing, _NO_STATE)
        return _left_out(source, name, words, ~true, findings)
    unfinished = ~true & ~missing
    if not true.any() or not unfinished.any():
        return source  # a callback's reports may all say so
    n = f"{unfinished.sum()} of {len(true)}"
    return source.noted(f"Not done by Ray Tune ({name} = False): {n}, {source.rows(unfinished)}.")


def _stated(source: Source, name: str, findings: Findings) -> Source:
    """Without the rows whose state, if the column is one, says that they did not finish.

    It is one by its name, or since all its words are states, one of them of what did not finish.
    """
    missing = is_missing(source, name)
    cells = source.table[name].map(lambda cell: str(cell).strip()).mask(missing, _NO_STATE)
    found = set(cells[~missing])
    if not found or (name == "state" and found <= _OWN_STATES and "point" in source.table):
        return source
    known = {word for word in found if state_word(word) in STATES}
    unfinished = {word for word in known if state_word(word) in UNFINISHED}
    without = replace(source, table=source.table.drop(columns=name))
    if fold(name) in _STATE_NAMES and known != found:
        if not known and name != "state":
            note = f"{name} is not used: none of its words is a state that is understood."
            return without.noted(note)
        others, allowed = (", ".join(sorted(words)) for words in (found - known, STATES))
        message = f"found {others}, understood: {allowed}; rename the column if it is none"
        findings.add(f"column {name!r}", message)
        return without
    if known != found or not (unfinished or fold(name) in _STATE_NAMES):
        return source
    if fold(name).endswith(("state", "status")):
        passing = _AT_THE_MOMENT if fold(name) == "st_status" else frozenset()
        lost = cells.map(state_word).isin(UNFINISHED - passing).to_numpy(dtype=bool) | missing
        return _left_out(source, name, cells, lost, findings)
    note = f"{name} looks like a state ({_counted(cells)}), and is not used: call it state"
    return without.noted(f"{note} to have what did not finish left out.")


def _left_out(
    source: Source, name: str, words: pd.Series, unfinished: Mask, findings: Findings
) -> Source:
    """Without the column `name` and the rows that are `unfinished` (N,) by it, whose `words` count.

    What itself says that it diverged is a result, whatever became of the program.
    """
    diverged = unfinished & _diverged(source)
    lost = unfinished & ~diverged
    source = replace(source, table=source.table.drop(columns=name))
    if diverged.any():
        said = f"{source.rows(diverged)} ({_counted(words[diverged])})"
        source = source.noted(f"Diverged, and so a result though not finished by {name}: {said}.")
    counts = _counted(words[lost])
    if lost.all():
        message = f"found none that is finished ({counts}), needed: some"
        findings.add(f"column {name!r}", f"{message}; rename the column if it is no state")
        return source
    found = set(words[lost].map(state_word))
    hints = "".join(hint for states, hint in _HINTS if states & found)
    return source.without(lost, f"by {name}, not finished ({counts}){hints}")


def _diverged(source: Source) -> Mask:
    if "diverged" not in source.table:
        return np.zeros(len(source.table), dtype=bool)
    says: Mask = source.table["diverged"].map(is_true).to_numpy(dtype=bool)
    return says


def _counted(words: pd.Series) -> str:
    return ", ".join(f"{word} {count}" for word, count in Counter(words).most_common())
