"""A pilot: a few of a study's own trials, which say what the study can find.

In: a study and its task. Out: a `Pilot`. Nothing is stored. Must not import torch, Ray or Optuna;
the engine is imported where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agsam_tune.executors.checks import device_of, own_rules
from agsam_tune.executors.work import ImportPath, Job, train
from agsam_tune.packs import make_packs
from agsam_tune.planning.costs import Costs
from agsam_tune.planning.detectable import Detectable, Piloted, Sample, detectable
from agsam_tune.planning.schedule import planned_trials
from agsam_tune.planning.words import rounded_duration
from agsam_tune.study import Phase, Study
from agsam_tune.tasks.task import Task
from agsam_tune.trials import Key, Outcome, State, Trial
from agsam_tune.words import percentage_points, significant

# Replicates of a pilot that nobody asked for, its seeds, and the seconds that it may take.
_REPLICATES, _SEEDS, _SECONDS = 4, 2, 120.0

# Larger studies that are looked at: times the replicates, the seeds, the fresh seeds.
_GROWN = (
    *((1, 1, 2), (1, 1, 4), (1, 2, 1), (2, 1, 1), (1, 2, 2), (2, 1, 2), (2, 1, 4)),
    *((2, 2, 2), (4, 1, 2), (4, 1, 4), (4, 2, 4)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What a study can find at the same settings, from a few of its own trials.

    Attributes:
        trials: how many it is made of.
        margin: within which two optimizers count as equal, a fraction of accuracy.
        smallest: the difference in lost accuracy that is found with a probability of 0.8.
        half_width: of its interval.
        wanted: twice the margin.
        advice: a sentence on what would find a difference of `wanted`; None where the study does.
    """

    trials: int
    margin: float
    smallest: float
    half_width: float
    wanted: float
    advice: str | None


def run_pilot(
    study: Study,
    task: Task,
    drawn: Sequence[Trial],
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
        task: its task.
        drawn: the trials that are known before anything runs.
        stored: what was run before, which is not trained again.
        costs: of each optimizer's packs.
        rows: of a whole pack.
        way: how packs are computed.
        wanted: replicates of the map, which the candidate and the baseline train with two seeds;
            0 for no pilot, None for a few if they are trained soon.
        said: told what is being trained.
    """
    if wanted == 0:
        return None, "no pilot was asked for"
    mapped = study.phase("map")
    why = _why_none(study, mapped, wanted)
    if why or mapped is None:
        return None, why
    shape = (
        min(wanted or _REPLICATES, mapped.replicates),
        (mapped.points or 0) // mapped.replicates,
    )
    trials = [
        trial
        for trial in drawn
        if trial.phase == "map"
        and trial.optimizer in (study.candidate, study.baseline)
        and (trial.replicate or 0) < shape[0]
        and trial.seed < _SEEDS
    ]
    known = {o.trial.key: o for o in stored if not math.isnan(o.test_accuracy)}
    packs = make_packs([trial for trial in trials if trial.key not in known], rows)
    seconds = sum(costs[pack.optimizer].seconds(len(pack.trials)) for pack in packs)
    if wanted is None and seconds > _SECONDS:
        which = f"a pilot takes about {rounded_duration(seconds)}"
        return None, f"{which}; --pilot {_REPLICATES} trains it"
    said(f"training a pilot of {len(trials)} trials, about {rounded_duration(seconds)}")
    job = Job(
        import_path=ImportPath(()),
        study=study.model_copy(update={"sharpness": None}),
        task=task,
        rules=own_rules(study),
        device=device_of(study),
        way=way,
    )
    try:
        for pack in packs:
            known.update({o.trial.key: o for o in train(job, pack).outcomes})
    except KeyboardInterrupt:
        return None, "the pilot was interrupted"
    raised = next((o for o in known.values() if o.state is State.FAIL), None)
    if raised is not None:
        return None, f"a trial of the pilot, of {raised.trial.optimizer}, raised {raised.error}"
    pair = (str(study.candidate), str(study.baseline))
    piloted = {name: _piloted(known, name, shape) for name in pair}
    return _judged(study, mapped, piloted, task.test.chance, len(trials))


def _why_none(study: Study, mapped: Phase | None, wanted: int | None) -> str:
    """Why a study can have no pilot; "" where it can."""
    pair = (study.candidate, study.baseline)
    if None in pair:
        return "the study names no candidate and baseline"
    if mapped is None:
        return "the study has no map"
    few = [name for name in ("replicates", "seeds") if getattr(mapped, name) < 2]
    if few:
        sets = " ".join(f"--set phases.map.{name}=2" for name in few)
        return f"the map has one of {' and '.join(few)}, and no spread to tell of: {sets} and more"
    if wanted == 1:
        return "a pilot takes two replicates or more"
    if (mapped.points or 0) // mapped.replicates < 2:
        return "the map's replicates have one point each: more of phases.map.points"
    bare = [str(name) for name in pair if not study.search_spaces[str(name)].names]
    return f"{bare[0]} has no hyperparameters" if bare else ""


def _piloted(known: Mapping[Key, Outcome], optimizer: str, shape: tuple[int, int]) -> Piloted:
    replicates, points = shape
    found = [
        [
            [known[Key(optimizer, "map", q * points + p, seed)] for seed in range(_SEEDS)]
            for p in range(points)
        ]
        for q in range(replicates)
    ]
    return Piloted(
        val_QPJ=np.array([[[o.val_accuracy for o in seeds] for seeds in row] for row in found]),
        test_QPJ=np.array([[[o.test_accuracy for o in seeds] for seeds in row] for row in found]),
        settings_QP=tuple(tuple(seeds[0].trial.hyperparameters for seeds in row) for row in found),
    )


def _judged(
    study: Study, mapped: Phase, piloted: Mapping[str, Piloted], chance: float, trials: int
) -> tuple[Pilot | None, str]:
    misset = study.phase("misset")
    sample = Sample(
        replicates=mapped.replicates, seeds=mapped.seeds, judged=misset.seeds if misset else 0
    )

    def find(size: Sample) -> Detectable | None:
        generator = np.random.default_rng(study.seed)
        return detectable(study, piloted, size, chance=chance, generator=generator)

    found = find(sample)
    if found is None:
        return None, "of the pilot's trials too few ended well"
    margin = study.analysis.margin
    points = (mapped.points or 0) // mapped.replicates
    enough = found.smallest <= 2 * margin
    advice = None if enough else _advice(study, sample, points, 2 * margin, find)
    return (
        Pilot(
            trials=trials,
            margin=margin,
            smallest=found.smallest,
            half_width=found.half_width,
            wanted=2 * margin,
            advice=advice,
        ),
        "",
    )


def _advice(
    study: Study,
    sample: Sample,
    points: int,
    wanted: float,
    find: Callable[[Sample], Detectable | None],
) -> str:
    """The cheapest of some larger studies that would do, or that none would."""
    planned = planned_trials(study)
    larger: dict[Sample, float] = {}
    for replicates, seeds, judged in _GROWN:
        grows = {"map": replicates * seeds, "misset": judged}
        trials = sum(n * grows.get(phase, 1) for (phase, _), n in planned.items())
        size = Sample(
            replicates=sample.replicates * replicates,
            seeds=sample.seeds * seeds,
            judged=sample.judged * judged,
        )
        larger.setdefault(size, trials / planned.total())
    for size, times in sorted(larger.items(), key=lambda item: item[1]):
        found = find(size)
        if found is not None and found.smallest <= wanted:
            return (
                f"To find {percentage_points(wanted)}: {_sets(size, points)} would do, with "
                f"{significant(times)} times the trials."
            )
    is_known = found is not None and found.smallest <= 1
    most = f"finds only {percentage_points(found.smallest)}" if found and is_known else "does not"
    return (
        f"None of the larger studies tried finds {percentage_points(wanted)}: the largest, with "
        f"{significant(times)} times the trials, {most}."
    )


def _sets(size: Sample, points: int) -> str:
    """The options that make a study so large."""
    sets = [f"phases.map.points={size.replicates * points}"]
    sets += [f"phases.map.replicates={size.replicates}", f"phases.map.seeds={size.seeds}"]
    sets += [f"phases.misset.seeds={size.judged}"] if size.judged else []
    return f"--set {' --set '.join(sets)}"
