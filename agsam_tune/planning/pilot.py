"""A pilot: a few replicates of the candidate and the baseline, which say what a study can find.

In: a study and its tasks. Out: a `Pilot`. Nothing is stored. Must not import torch, Ray or Optuna;
the engine is imported where it is used.

The pilot's trials are the study's own, of its first replicates. What the lenses make of them has
standard errors, and those are what the study's will be but for its more replicates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from agsam_tune.agenda import Agenda
from agsam_tune.analysis import AnalysisFacts, read_data
from agsam_tune.analysis.lenses.pair import Lens
from agsam_tune.analysis.pairing import judge
from agsam_tune.executors.checks import device_of, own_rules
from agsam_tune.executors.work import ImportPath, Job, train
from agsam_tune.planning.costs import Costs
from agsam_tune.planning.detectable import LensForecast, forecast_of
from agsam_tune.planning.words import rounded_duration
from agsam_tune.store.tables import trials_table
from agsam_tune.study import Study, planned_trials
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Key, Outcome, State

# Replicates of a pilot that nobody asked for, and the seconds that it may take.
_MOST, _LEAST, _SECONDS = 4, 2, 120.0
# The phases that the lenses are made of.
_PHASES = ("map", "key", "off", "radius")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What a study can find, from a few of its own trials.

    Attributes:
        trials: how many it is made of.
        replicates: how many replicates.
        lenses: what is found in each.
    """

    trials: int
    replicates: int
    lenses: tuple[LensForecast, ...]


def run_pilot(
    study: Study,
    tasks: Tasks,
    stored: Iterable[Outcome],
    costs: Costs,
    *,
    rows: int,
    way: str,
    wanted: int | None,
    said: Callable[[str], None],
) -> tuple[Pilot | None, str]:
    """The pilot, or None and why there was none.

    Args:
        study: the study.
        tasks: the data of its replicates.
        stored: what was run before, which is not trained again.
        costs: of each optimizer's packs.
        rows: of a whole pack.
        way: how packs are computed.
        wanted: replicates to train; 0 for no pilot, None for as many as are trained soon.
        said: told what is being trained.
    """
    why = _why_none(study, wanted)
    if why:
        return None, why
    most = min(wanted or _MOST, study.replicates)
    sizes = [most] if wanted else range(most, _LEAST - 1, -1)
    seconds = math.inf
    for size in sizes:
        small, known = _pilot_study(study, size), _of_pilot(study, stored, size)
        seconds = _seconds(small, known.values(), costs)
        if wanted or seconds <= _SECONDS:
            break
    else:
        which = f"a pilot of {_LEAST} replicates takes about {rounded_duration(seconds)}"
        return None, f"{which}; --pilot {_LEAST} trains it"
    said(f"training a pilot of {size} replicates, about {rounded_duration(seconds)}")
    chance = tasks.facts()["chance"]
    agenda = Agenda(small, known.values(), rows=rows, trivial=chance)
    try:
        known |= _trained(small, tasks, agenda, way)
    except KeyboardInterrupt:
        return None, "the pilot was interrupted"
    raised = next((o for o in known.values() if o.state is State.FAIL), None)
    if raised is not None:
        return None, f"a trial of the pilot, of {raised.trial.optimizer}, raised {raised.error}"
    facts = AnalysisFacts(trivial=chance, looks=(size,), radius_range=agenda.radius_range)
    table = trials_table(small, ((outcome, 0) for outcome in known.values()))
    judgement = judge(read_data(table, small, facts))
    lenses = () if judgement is None else forecast_of(study, judgement, size)
    if (
        agenda.radius_problem is not None
    ):  # of the study, which has more replicates, it may be found
        why = f"a pilot of {size} replicates does not find the lengths to compare at"
        lenses = tuple(
            replace(one, reason=why) if one.lens == Lens.EQUAL_RADIUS else one for one in lenses
        )
    return Pilot(trials=len(known), replicates=size, lenses=lenses), ""


def _why_none(study: Study, wanted: int | None) -> str:
    """Why a study can have no pilot; "" where it can."""
    if wanted == 0:
        return "no pilot was asked for"
    if study.candidate is None or study.baseline is None:
        return "the study names no candidate and baseline"
    if wanted == 1:
        return "a pilot takes two replicates or more"
    if study.replicates < _LEAST:
        return "the study has one replicate, which says nothing of the spread"
    pair = {study.candidate, study.baseline}
    if not any(pair <= {*study.optimizers_of(name)} for name in _PHASES):
        return "no lens looks at the study's phases"
    return ""


def _pilot_study(study: Study, replicates: int) -> Study:
    """The pilot's part of the study; its points are the study's own."""
    pair = (str(study.candidate), str(study.baseline))
    phases = tuple(
        phase.model_copy(
            update={"optimizers": tuple(o for o in study.optimizers_of(phase.name) if o in pair)}
        )
        for phase in study.phases
        if phase.name in _PHASES
    )
    return study.model_copy(
        update={"phases": phases, "replicates": replicates, "control": None, "sharpness": None}
    )


def _of_pilot(study: Study, stored: Iterable[Outcome], replicates: int) -> dict[Key, Outcome]:
    pair = (study.candidate, study.baseline)
    return {
        outcome.trial.key: outcome
        for outcome in stored
        if outcome.trial.phase in _PHASES
        and outcome.trial.optimizer in pair
        and outcome.trial.replicate < replicates
        and outcome.state is State.COMPLETE
    }


def _seconds(small: Study, known: Iterable[Outcome], costs: Costs) -> float:
    """What is left of the pilot takes about."""
    planned = sum(
        (count or 0) * costs[optimizer].trial
        for (optimizer, _), count in planned_trials(small).items()
    )
    return planned - sum(costs[outcome.trial.optimizer].trial for outcome in known)


def _trained(small: Study, tasks: Tasks, agenda: Agenda, way: str) -> dict[Key, Outcome]:
    """What is left of the pilot, trained in this process."""
    job = Job(
        import_path=ImportPath(()),
        study=small,
        tasks=tasks,
        rules=own_rules(small),
        device=device_of(small),
        way=way,
    )
    found: dict[Key, Outcome] = {}
    while (pack := agenda.next_pack()) is not None:
        outcomes = train(job, pack).outcomes
        agenda.record(outcomes)
        found.update({outcome.trial.key: outcome for outcome in outcomes})
    return found
