"""Who is compared with whom, and by what: the candidate, the baseline, and what both were drawn by.

In: trials that were checked, of one source or of two. Out: the same as one table, with the roles.
Two sources are independent of each other, whatever numbers their replicates have. Must not import
torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

import numpy as np
import pandas as pd

from agsam_tune.importing.options import ImportOptions
from agsam_tune.importing.ranges import Ends
from agsam_tune.importing.roles import Roles, check_whole
from agsam_tune.importing.settings import LENGTH
from agsam_tune.importing.source import Findings
from agsam_tune.importing.trials import Checked, ordered_table
from agsam_tune.study.errors import nearest
from agsam_tune.study.model import PHASE_NAMES

__all__ = ["common_lengths", "common_range", "drawn_apart", "joined", "labels_of"]

#: Of the logarithmic width of a range, by how much its ends may differ and be the same.
_SAME_ENDS = 0.05
#: Decades of lengths that both must share to be compared at the same length.
_LEAST_LENGTHS = 0.5


def labels_of(sources: Sequence[str]) -> tuple[str, str]:
    """What two sources are called: by their names, with as many folders as tell them apart."""
    stems = [PurePath(source).name.partition(".")[0] for source in sources]
    if stems[0] != stems[1]:
        return stems[0], stems[1]
    one, other = (PurePath(source).parts for source in sources)
    own = next((n for n in range(1, len(one)) if one[-n:] != other[-n:]), len(one))
    return "/".join(one[-own:]), "/".join(other[-own:])


def drawn_apart(checked: Checked, roles: Roles) -> tuple[str, ...]:
    """Phases that candidate and baseline both have and in which they share no point.

    As of a sweep that draws settings for each optimizer by itself: there is no pair of trainings
    to take a difference of, so the two are independent samples.
    """
    own = [
        trials.groupby("phase")["point"].agg(set)
        for name in (roles.candidate, roles.baseline)
        if len(trials := checked.trials[checked.trials["optimizer"] == name])
    ]
    if len(own) < 2:
        return ()
    both = [phase for phase in PHASE_NAMES if all(phase in points.index for points in own)]
    return tuple(phase for phase in both if not own[0][phase] & own[1][phase])


def joined(
    sides: tuple[Checked, Checked], labels: tuple[str, str], options: ImportOptions
) -> tuple[Checked, Roles]:
    """Two sources as one table: their optimizers told apart, in the phases that both have.

    Raises:
        UsageError: with what is wrong with the roles, or where no phase is in both.
    """
    findings = Findings(origin=" and ".join(labels), verdict="cannot be compared")
    common = set(sides[0].optimizers) & set(sides[1].optimizers)
    names = [
        {own: f"{own} ({label})" if own in common else own for own in side.optimizers}
        for side, label in zip(sides, labels, strict=True)
    ]
    roles, said = _roles(options, names, findings)
    phases = [set(side.trials["phase"]) for side in sides]
    common_phases = phases[0] & phases[1]
    if not common_phases:
        message = f"found {', '.join(sorted(phases[0]))} and {', '.join(sorted(phases[1]))}"
        findings.add("phases", f"{message}, needed: one that both have")
    findings.raise_if_any()
    for label, own in zip(labels, phases, strict=True):
        if lost := [name for name in PHASE_NAMES if name in own - common_phases]:
            said.append(f"Left out of {label}, since the other has none: {', '.join(lost)}.")
    factors = {side.factor for side in sides if side.factor is not None}
    if len(factors) > 1 and "off" in common_phases:
        common_phases -= {"off"}
        said.append("Left out: the phase off, in which the two are off by different factors.")
    chance, notes = _chance(sides)
    parts = [_renamed(side, own) for side, own in zip(sides, names, strict=True)]
    name = options.name or " against ".join(labels)
    both = replace(
        parts[0],
        trials=_table(parts, common_phases, name, chance),
        study=name,
        task=_task(sides, options),
        optimizers=tuple(name for part in parts for name in part.optimizers),
        spaces={name: space for part in parts for name, space in part.spaces.items()},
        drawn={key: ends for part in parts for key, ends in part.drawn.items()},
        constants={name: own for part in parts for name, own in part.constants.items()},
        chance=chance,
        factor=next(iter(factors), None),
        data="fixed" if {side.data for side in sides} == {"fixed"} else "per_replicate",
        notes=(*_said(sides, labels), *said, *notes),
    )
    return both, roles


def common_range(
    checked: Checked, roles: Roles, phase: str, hyperparameter: str | None
) -> Ends | None:
    """What candidate and baseline both were drawn from in a phase, or None."""
    pair = [
        checked.drawn.get((str(name), phase, str(hyperparameter)))
        for name in (roles.candidate, roles.baseline)
    ]
    known = [ends for ends in pair if ends is not None]
    if len(known) < len(pair):
        return None
    low, high = max(ends[0] for ends in known), min(ends[1] for ends in known)
    return (low, high) if low < high else None


def common_lengths(checked: Checked, roles: Roles) -> tuple[Checked, Ends | None]:
    """The trials with the lengths of steps that candidate and baseline share, and their ends.

    Lengths of one that the other was not drawn from are left out: a mean over other lengths is
    another number. Where they share too few, the whole phase is.
    """
    ends = common_range(checked, roles, "radius", LENGTH)
    pair = (roles.candidate, roles.baseline)
    trials = checked.trials
    mine = (trials["phase"] == "radius") & trials["optimizer"].isin([str(name) for name in pair])
    if roles.candidate is None or not mine.any():
        return checked, ends
    width = np.log10(ends[1] / ends[0]) if ends else 0.0
    if ends is None or width < _LEAST_LENGTHS:
        note = "Left out: the phase radius, in which candidate and baseline share no lengths."
        return _without(checked, trials["phase"] == "radius", note), None
    own = [checked.drawn[str(name), "radius", LENGTH] for name in pair]
    if all(np.allclose(np.log10(ends), np.log10(one), atol=_SAME_ENDS * width) for one in own):
        return checked, ends
    outside = mine & ~trials[LENGTH].between(*ends)
    note = (
        f"Left out of the phase radius: {int(outside.sum())} trials with lengths of steps beyond "
        f"{ends[0]:.3g} to {ends[1]:.3g}, which candidate and baseline share."
    )
    return _without(checked, outside, note), ends


def _without(checked: Checked, which: pd.Series, note: str) -> Checked:
    kept = checked.trials[~which].reset_index(drop=True)
    return replace(checked, trials=kept, notes=(*checked.notes, note))


def _roles(
    options: ImportOptions, names: Sequence[Mapping[str, str]], findings: Findings
) -> tuple[Roles, list[str]]:
    """The candidate from the first source and the baseline from the second, where they have it."""
    new = [name for own in names for name in own.values()]
    if options.candidate is None and options.baseline is None:
        pair = _only_pair(names)
        if pair is None:
            listed = ", ".join(new)
            message = f"needed, since there are several optimizers; allowed: {listed}"
            findings.add("--candidate and --baseline", message)
            return Roles(), []
        said = f"Compared: {pair[0]} as the candidate with {pair[1]} as the baseline."
        found: dict[str, str | None] = {"candidate": pair[0], "baseline": pair[1]}
    else:
        found, said = {}, ""
    for role, sides in (("candidate", names), ("baseline", names[::-1]), ("control", names)):
        asked = getattr(options, role)
        if asked is None:
            continue
        found[role] = next((own[asked] for own in sides if asked in own), None)
        if asked in new:
            found[role] = asked
        if found[role] is None:
            message = f"found {asked!r}, allowed: {', '.join(new)}{nearest(asked, new)}"
            findings.add(f"--{role}", message)
    check_whole(found, findings)
    return Roles(**found), [said] if said else []


def _only_pair(names: Sequence[Mapping[str, str]]) -> tuple[str, str] | None:
    """The pair where there is only one: an optimizer each, or one that both have."""
    one, other = names
    if len(one) == 1 and len(other) == 1:
        return next(iter(one.values())), next(iter(other.values()))
    common = [name for name in one if name in other]
    return (one[common[0]], other[common[0]]) if len(common) == 1 else None


def _chance(sides: Sequence[Checked]) -> tuple[float, list[str]]:
    """The accuracy of guessing of both: of that which knows it, or the mean."""
    known = [side.chance for side in sides if side.chance > 0] or [0.0]
    if len(set(known)) == 1:
        return known[0], []
    mean = float(np.mean(known))
    listed = " and ".join(f"{one:.4g}" for one in known)
    return mean, [f"The accuracy of guessing is taken as {mean:.4g}, the mean of {listed}."]


def _task(sides: Sequence[Checked], options: ImportOptions) -> str:
    tasks = dict.fromkeys(side.task for side in sides)
    return options.task or " and ".join(tasks)


def _said(sides: Sequence[Checked], labels: Sequence[str]) -> list[str]:
    """What was said of each, and of whom."""
    both = zip(labels, sides, strict=True)
    return [f"{label}: {note}" for label, side in both for note in side.notes]


def _renamed(side: Checked, names: Mapping[str, str]) -> Checked:
    """The same with its optimizers called otherwise."""
    return replace(
        side,
        trials=side.trials.assign(optimizer=side.trials["optimizer"].map(names).astype("str")),
        optimizers=tuple(names[name] for name in side.optimizers),
        spaces={
            names[name]: space.model_copy(update={"optimizer": names[name]})
            for name, space in side.spaces.items()
        },
        drawn={(names[o], phase, h): ends for (o, phase, h), ends in side.drawn.items()},
        constants={names[name]: own for name, own in side.constants.items()},
    )


def _table(parts: Sequence[Checked], phases: set[str], study: str, chance: float) -> pd.DataFrame:
    both = pd.concat([part.trials for part in parts], ignore_index=True)
    kept = both[both["phase"].isin(phases)].reset_index(drop=True)
    settings = dict.fromkeys(
        name for part in parts for space in part.spaces.values() for name in space.names
    )
    lengths = [LENGTH] if "radius" in phases else []
    values = {
        name: kept[name].to_numpy(dtype=float, na_value=np.nan) for name in [*settings, *lengths]
    }
    return ordered_table(kept, values, study, parts[0].task, chance)
