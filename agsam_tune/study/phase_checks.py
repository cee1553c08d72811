"""What must hold of a study's phases: whose points they are, and that these can be drawn.

In: a `Draft`. Out: problems. Each check leaves alone what was found wrong before it.
Must not import torch, Ray, Optuna or pandas.
"""

from collections import Counter

from agsam_tune.study.draft import Draft
from agsam_tune.study.errors import Problems, show, unknown_name
from agsam_tune.study.model import Phase
from agsam_tune.study.planned import seeds_of
from agsam_tune.study.study import Study

__all__ = ["check_phases"]

# Of one phase; the driver holds a record of each in memory (docs/scale.md).
_MOST_TRIALS = 10_000_000
#: What compares the candidate and the baseline, and nothing else.
_OF_THE_PAIR = ("key", "off", "radius")


def check_phases(draft: Draft, problems: Problems) -> None:
    """Adds to `problems` everything that is wrong with the phases of `draft`."""
    study = draft.sketch()
    for phase in draft.phases:
        _check_size(study, phase, problems)
        _check_names(draft, study, phase, problems)
        _check_pair(draft, study, phase, problems)
    _check_map(draft.phase("map"), problems)
    _check_key(study, problems)
    _check_radius(study, problems)
    _check_centres(study, problems)
    _check_misset(study, problems)
    if draft.phases and draft.all_phases_read:
        _check_every_optimizer_runs(study, problems)


def _check_size(study: Study, phase: Phase, problems: Problems) -> None:
    points = phase.points or max(len(phase.fixed), 1)
    trials = points * len(seeds_of(phase, 0)) * max(len(study.optimizers), 1)
    if phase.name != "fixed":
        trials *= study.replicates
    if trials > _MOST_TRIALS:
        message = f"found {trials:,} trials of all optimizers, allowed: up to {_MOST_TRIALS:,}"
        related = [f"phases.{phase.name}.{key}" for key in ("points", "seeds")]
        problems.add(f"phases.{phase.name}", message, related=[*related, "replicates"])


def _check_names(draft: Draft, study: Study, phase: Phase, problems: Problems) -> None:
    """The optimizers that a phase names are the study's, once each, and it can train them."""
    key = f"phases.{phase.name}.optimizers"
    for name, count in Counter(phase.optimizers or ()).items():
        if draft.optimizers is not None and name not in draft.optimizers:
            what = "of the study's optimizers"
            problems.add(key, unknown_name(name, draft.optimizers, what=what))
        elif count > 1:
            problems.add(key, f"found {name!r} {count} times, allowed: once")
        elif name in study.optimizers and name not in study.compared:
            space = study.search_spaces[name]
            if phase.name in ("key", "off") and study.key and study.key not in space.names:
                problems.add(key, f"found {name!r}, which has no {study.key}, the key")
            if phase.name == "radius" and not space.ascent:
                problems.add(key, f"found {name!r}, which has no ascent step")


def _check_pair(draft: Draft, study: Study, phase: Phase, problems: Problems) -> None:
    if phase.name not in _OF_THE_PAIR:
        return
    roles = {role: draft.header.get(role, "wrong") for role in ("candidate", "baseline")}
    if not any(roles.values()) and not study.optimizers_of(phase.name):
        message = "found no candidate and no baseline to compare, needed: both, or no such phase"
        problems.add(f"phases.{phase.name}", message, related=list(roles))
    left_out = [o for o in study.pair or () if o not in (phase.optimizers or (o,))]
    if left_out:
        found = f"found {show(list(phase.optimizers or ()))}"
        needed = "the candidate and the baseline among them"
        message = f"{found} without {' and '.join(left_out)}, needed: {needed}"
        problems.add(f"phases.{phase.name}.optimizers", message, related=list(roles))


def _check_map(phase: Phase | None, problems: Problems) -> None:
    """Sobol designs are balanced at powers of two."""
    points = phase.points if phase else None
    if phase is None or points is None or phase.sampler != "sobol" or not points & (points - 1):
        return
    below = 1 << (points.bit_length() - 1)
    message = f"found {points}, allowed: a power of two, such as {below} or {2 * below}"
    problems.add("phases.map.points", message, related=["phases.map.sampler"])


def _check_key(study: Study, problems: Problems) -> None:
    """The key is one that all who are compared have, and positive."""
    named, key = study.analysis.key, study.key
    spaces = [study.search_spaces[name] for name in study.compared]
    if named is not None and key is None and spaces:
        common = [name for name in spaces[0].names if all(name in s.names for s in spaces)]
        who = "both candidate and baseline have" if study.pair else f"{spaces[0].optimizer} has"
        problems.add(
            "analysis.key", unknown_name(named, common, what=f"a hyperparameter that {who}")
        )
    if key is None or not (study.phase("key") or study.phase("off")):
        return
    for space in spaces:
        low = space.ranges[key].low
        if low <= 0:
            message = f"found {low!r}, allowed: a number > 0, since the key is drawn by its log"
            problems.add(f"search_spaces.{space.optimizer}.{key}.low", message)


def _check_radius(study: Study, problems: Problems) -> None:
    phase = study.phase("radius")
    if phase is None:
        return
    ends = {"low": phase.low, "high": phase.high}
    absent = [name for name, value in ends.items() if value is None]
    keys = [f"phases.radius.{name}" for name in ends]
    if len(absent) == 1:
        message = "missing, needed: a number > 0; or neither low nor high"
        problems.add(f"phases.radius.{absent[0]}", message, related=keys)
    elif phase.low is not None and phase.high is not None and phase.low >= phase.high:
        message = f"found low = {phase.low!r} and high = {phase.high!r}, allowed: low < high"
        problems.add("phases.radius", message, related=keys)
    elif absent and study.optimizers_of("radius") and not study.optimizers_of("key"):
        why = "nor trials of a phase key to find them by"
        problems.add("phases.radius", f"found neither low nor high, {why}, needed: low and high")


def _check_centres(study: Study, problems: Problems) -> None:
    """What is multiplied by a factor must not be 0."""
    for phase, kept in (("off", study.key), ("radius", "rho")):
        for optimizer in study.optimizers_of(phase):
            for name, centre in study.centre(optimizer).items():
                if name == kept or centre != 0:
                    continue
                owner = study.centre_of(optimizer, name)
                message = (
                    f"found {centre!r}, which the phase {phase} multiplies by factors, needed: "
                    "a default that is not 0, as the value that it is off from"
                )
                problems.add(f"search_spaces.{owner}.{name}.default", message)


def _check_misset(study: Study, problems: Problems) -> None:
    if study.phase("misset") is None:
        return
    chosen_from = {*study.optimizers_of("map"), *study.optimizers_of("tune")}
    without = [name for name in study.optimizers_of("misset") if name not in chosen_from]
    if without:
        message = (
            f"found no map and no tune of {', '.join(without)} to take an own best from, "
            "needed: one of them"
        )
        problems.add("phases.misset", message)


def _check_every_optimizer_runs(study: Study, problems: Problems) -> None:
    """An optimizer without hyperparameters has its one point in map, or among the fixed ones."""
    trained = {name for phase in study.phases for name in study.optimizers_of(phase.name)}
    for name in study.optimizers:
        if name not in trained:
            needed = "a map, or a point of a fixed phase"
            message = f"found {name!r}, which no phase has a point for, needed: {needed}"
            problems.add("optimizers", message)
