"""Trials that another program trains: which now, and whether its results are theirs.

In: a study, and what was told of its trials. Out: the trials to train now, as records and as a
table, or a refusal that names the rows which are no trials of the study. The agenda is played
through with what was told, as `run` plays it with what it trained. Must not import torch or Ray.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from agsam_tune.agenda import Agenda
from agsam_tune.design import BATCH, drawn_trials
from agsam_tune.importing import Findings, Told
from agsam_tune.study import Study, canonical_order
from agsam_tune.trials import Key, Trial

__all__ = ["Asked", "asked_table", "next_trials"]

#: Settings that differ by less are the same one: a program may keep them in single precision.
_SAME = 1e-6
#: Rows of one kind that a message names; more are counted.
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a study asks of another program.

    Attributes:
        trials: to train now, in the order of the agenda.
        told: the study's own trial of each row that was told, in the order of the rows.
        total: trials of the whole study.
        radius_range: shortest and longest step of the phase `radius`, if it is known.
        radius_problem: why the phase `radius` can have no trials, or None.
    """

    trials: tuple[Trial, ...]
    told: tuple[Trial, ...]
    total: int
    radius_range: tuple[float, float] | None
    radius_problem: str | None

    @property
    def later(self) -> int:
        """Trials whose settings follow from results that are not there yet."""
        return self.total - len(self.told) - len(self.trials)


def next_trials(study: Study, told: Told | None = None) -> Asked:
    """What is to be trained now.

    Args:
        study: the study.
        told: what was trained; None for nothing.

    Raises:
        UsageError: a row is no trial of the study, or has another setting than that trial.
    """
    found = {} if told is None else _matched(study, told)
    outcomes = {} if told is None else told.outcomes(found)
    agenda = Agenda(study, outcomes.values(), trivial=_trivial(told))
    return Asked(
        trials=tuple(_handed_out(agenda)),
        told=tuple(found[k] for k in outcomes),
        total=agenda.total,
        radius_range=agenda.radius_range,
        radius_problem=agenda.radius_problem,
    )


def asked_table(study: Study, trials: Sequence[Trial]) -> pd.DataFrame:
    """One row a trial: optimizer, phase, replicate, index, point, seed, every hyperparameter.

    NaN where an optimizer has no such hyperparameter. In the phase `radius` rho is the length that
    each ascent step is to have.
    """
    keys = ("optimizer", "phase", "replicate", "index", "point", "seed")
    columns: dict[str, list[object]] = {n: [getattr(t, n) for t in trials] for n in keys}
    own = [dict(trial.hyperparameters) for trial in trials]
    names = canonical_order([*study.hyperparameters, *(name for row in own for name in row)])
    columns |= {name: [row.get(name) for row in own] for name in names}
    kinds = dict.fromkeys(columns, "float64") | dict.fromkeys(("optimizer", "phase"), "str")
    kinds |= dict.fromkeys(("replicate", "index", "point", "seed"), "int64")
    return pd.DataFrame(columns, dtype=object).astype(kinds)


def _trivial(told: Told | None) -> float | None:
    """The accuracy of guessing, where it was said: the lengths of `radius` are found by it."""
    return told.chance if told is not None and told.chance > 0 else None


def _handed_out(agenda: Agenda) -> Iterator[Trial]:
    """Everything that can be trained now, in order."""
    while (pack := agenda.next_pack()) is not None:
        yield from pack.trials


def _matched(study: Study, told: Told) -> dict[Key, Trial]:
    """The study's own trial of each key that was told; refuses what is none."""
    rows = {key: row for row, key in enumerate(told.keys)}
    agenda = Agenda(study, (), trivial=_trivial(told))
    asked: list[Trial] = []
    known: dict[Key, Trial] = {}
    while packs := list(iter(agenda.next_pack, None)):
        mine = {t.key: t for pack in packs for t in pack.trials if t.key in rows}
        asked += [trial for pack in packs for trial in pack.trials]
        known |= mine
        agenda.record(list(told.outcomes(mine).values()))
    findings = Findings(origin=told.source.origin, verdict=f"does not fit the study {study.name}")
    possible = _possible_keys(study)
    strange = [key for key in rows if key not in possible]
    _refuse_strange(told, rows, strange, possible, findings)
    differ = [
        known[key] for key in rows if key in known and not _is_at(told, rows[key], known[key])
    ]
    _refuse_differing(told, rows, differ, asked, findings)
    if not findings.problems:  # else they are of no setting because of what was said
        early = [key for key in rows if key not in known]
        _refuse_early(study, told, rows, early, possible, findings)
    findings.raise_if_any()
    return known


def _is_at(told: Told, row: int, trial: Trial) -> bool:
    """Whether a row has the trial's own setting."""
    return all(
        name in told.settings and math.isclose(told.settings[name][row], value, rel_tol=_SAME)
        for name, value in trial.hyperparameters
    )


def _possible_keys(study: Study) -> dict[Key, None]:
    """The key of every trial that the study can ask for, whatever comes of others."""
    anywhere = (1.0, 2.0)  # lengths are no part of a key
    keys = [trial.key for trial in drawn_trials(study, radius_range=anywhere)]
    for name in ("tune", "misset"):
        phase = study.phase(name)
        points = range(study.replicates * ((phase and phase.points) or 0))
        keys += [Key(o, name, point, 0) for o in study.optimizers_of(name) for point in points]
    return dict.fromkeys(keys)


def _refuse_strange(
    told: Told,
    rows: Mapping[Key, int],
    strange: Sequence[Key],
    possible: Iterable[Key],
    findings: Findings,
) -> None:
    """Keys that no trial of the study has, each with the nearest one."""
    for key in strange[:_NAMED]:
        own = [k for k in possible if k[:2] == key[:2]]
        near = min(
            own, key=lambda k: (abs(k.point - key.point), abs(k.seed - key.seed)), default=None
        )
        hint = (
            f"{key.optimizer} has none in {key.phase}"
            if near is None
            else f"the nearest is point {near.point}, seed {near.seed}"
        )
        findings.add(
            told.source.rows([rows[key]]), f"no trial of the study is {_named(key)}; {hint}"
        )
    _count_more(strange, "that are no trials of the study", findings)


def _refuse_differing(
    told: Told,
    rows: Mapping[Key, int],
    differ: Sequence[Trial],
    asked: Sequence[Trial],
    findings: Findings,
) -> None:
    """Rows with another setting than their key has in the design."""
    for trial in differ[:_NAMED]:
        row = rows[trial.key]
        names = [name for name, _ in trial.hyperparameters]
        nothing = np.full(len(rows), np.nan)
        found = _setting((name, float(told.settings.get(name, nothing)[row])) for name in names)
        same = [
            other.point
            for other in asked
            if (other.optimizer, other.phase) == (trial.optimizer, trial.phase)
            and _is_at(told, row, other)
        ]
        hint = f"; that is the setting of point {same[0]}" if same else ""
        findings.add(
            told.source.rows([row]),
            f"{_named(trial.key)}: found {found}, needed: {_setting(trial.hyperparameters)}{hint}",
        )
    _count_more(differ, "with another setting than the study has there", findings)
    if differ:
        findings.add(
            "settings",
            "they follow from the study file, and in tune, misset and radius from the results "
            "before them; was one of these another when the design was made?",
        )


def _refuse_early(
    study: Study,
    told: Told,
    rows: Mapping[Key, int],
    early: Sequence[Key],
    possible: Iterable[Key],
    findings: Findings,
) -> None:
    """Rows whose setting follows from results that are not there."""
    there = set(rows)
    groups: dict[tuple[str, str], list[Key]] = {}
    for key in early:
        groups.setdefault((key.optimizer, key.phase), []).append(key)
    for (optimizer, phase), keys in groups.items():
        needed = [k for k in possible if any(_follows(study, key, k) for key in keys)]
        missing = [key for key in needed if key not in there]
        names = " and ".join(dict.fromkeys(key.phase for key in needed))
        such = f", such as {_named(missing[0])}" if missing else ""
        message = (
            f"{optimizer} has its settings in {phase} from results that are not there: "
            f"{len(missing)} in {names}{such}"
        )
        findings.add(told.source.rows([rows[key] for key in keys]), message)


def _follows(study: Study, key: Key, other: Key) -> bool:
    """Whether the setting of a trial follows from another's result."""
    if key.phase == "radius":
        return other.phase == "key"
    if other.optimizer != key.optimizer or _replicate(study, key) != _replicate(study, other):
        return False
    if key.phase == "misset":
        return other.phase in ("map", "tune") and other.seed == 0
    start = key.point - key.point % _points(study, "tune") % BATCH
    return other.phase == "tune" and other.point < start


def _points(study: Study, name: str) -> int:
    phase = study.phase(name)
    return (phase and phase.points) or 1


def _replicate(study: Study, key: Key) -> int:
    return key.point // _points(study, key.phase)


def _count_more(items: Sequence[object], what: str, findings: Findings) -> None:
    if len(items) > _NAMED:
        findings.add("and", f"{len(items) - _NAMED} more {what}")


def _named(key: Key) -> str:
    return f"optimizer {key.optimizer}, phase {key.phase}, point {key.point}, seed {key.seed}"


def _setting(pairs: Iterable[tuple[str, float]]) -> str:
    """A setting as a message shows it, to more digits than what counts as the same."""
    return ", ".join(
        f"{name} = {'nothing' if math.isnan(value) else f'{value:.9g}'}" for name, value in pairs
    )
