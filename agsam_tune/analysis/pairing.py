"""The pair of the claim, from a study's trainings to its lenses.

In: `Data`. Out: what `lenses` makes of the pair's trainings: which lenses the study rules out,
which have no verdict yet, and the numbers. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from agsam_tune.analysis.data import Data, PhaseData
from agsam_tune.analysis.lengths import GIVE_THE_RANGE
from agsam_tune.analysis.lenses.pair import (
    FAIR,
    PHASES,
    Judgement,
    Lens,
    PairSettings,
    Trainings,
    judge_pair,
)
from agsam_tune.analysis.measured import best_of, key_range, log_key
from agsam_tune.study import Study, planned_trials

__all__ = ["PAIR_PHASES", "common_data", "judge", "largest", "not_applicable"]

#: The phases in which the pair is compared.
PAIR_PHASES = ("map", "key", "off", "radius", "misset", "default")

_LENS_PHASES = ("map", "key", "off", "radius")


def judge(data: Data) -> Judgement | None:
    """What the lenses say of the pair, or None where the study names no pair.

    Args:
        data: with the pair's common trainings, see `common_data`.
    """
    study = data.study
    if study.candidate is None or study.baseline is None:
        return None
    ruled_out = not_applicable(study) | _too_narrow_table(data)
    sides: tuple[dict[str, Trainings], dict[str, Trainings]] = ({}, {})
    for phase in _LENS_PHASES:
        for side, name in zip(sides, (study.candidate, study.baseline), strict=True):
            own = data.get(name, phase)
            trainings = _trainings(data, own, phase) if own is not None else None
            if trainings is not None:
                side[phase] = trainings
    best = None
    if not {study.candidate, study.baseline} <= {*study.optimizers_of("key")}:
        found = [best_of(data, name) for name in (study.candidate, study.baseline)]
        best = [one[0] for one in found if one is not None] if None not in found else None
    return judge_pair(
        *sides,
        _settings(data),
        not_applicable=ruled_out,
        undecided=_undecided(data),
        best=best,
    )


def not_applicable(study: Study) -> dict[Lens, str]:
    """Lenses that the study's file rules out, with the reason."""
    pair = (str(study.candidate), str(study.baseline))
    found: dict[Lens, str] = {}
    for lens in Lens:
        phases = [PHASES[lens], *(["key"] if lens in FAIR else [])]
        lacking = [name for name in phases if not {*pair} <= {*study.optimizers_of(name)}]
        if study.key is None and lens in FAIR:
            found[lens] = "the two have no common hyperparameter to set the scale by"
        elif lacking:
            found[lens] = f"the study has no phase {' or '.join(lacking)} of both"
    without = [name for name in pair if not study.search_spaces[name].ascent]
    if without:
        found[Lens.EQUAL_RADIUS] = f"no ascent step is made by {' and '.join(without)}"
    return found


def largest(data: Data) -> int:
    """How many replicates there may come to be."""
    return data.study.max_replicates if data.facts.can_grow else data.facts.looks[-1]


def common_data(data: Data, names: Sequence[str], phases: Sequence[str]) -> Data:
    """The data with only such trainings in these phases as all of these optimizers have.

    Where replicates are shared, what one of them lacks is left out of the others too, so that a
    difference is of the same points, data and seeds. A phase that one of them has not at all
    stays as it is: nothing is compared there.
    """
    if not data.facts.paired:
        return data
    kept = dict(data.phases)
    for phase in phases:
        own = [data.every(name, phase) for name in names]
        known = [one for one in own if one is not None]
        if len(known) < len(names):
            continue
        places = [_places(one) for one in known]
        common = set.intersection(*(set(place) for place in places))
        for name, one, place in zip(names, known, places, strict=True):
            has_N = np.fromiter((key in common for key in place), dtype=bool, count=len(one))
            kept[name, phase] = one.only(has_N)
            if not common:
                del kept[name, phase]
    return replace(data, phases=kept)


def _places(trainings: PhaseData) -> list[tuple[int, int]]:
    """(point, seed) of each training."""
    return list(zip(trainings.point_N.tolist(), trainings.seed_N.tolist(), strict=True))


def _trainings(data: Data, own: PhaseData, phase: str) -> Trainings | None:
    """As the lenses take them; the map needs no key."""
    x_N = log_key(data, own, phase)
    known_N = np.isfinite(x_N) if phase != "map" else np.ones(len(own), dtype=bool)
    if not known_N.any():
        return None
    return Trainings(
        replicate_N=own.replicate_N[known_N], x_N=x_N[known_N], score_N=own.score_N[known_N]
    )


def _settings(data: Data) -> PairSettings:
    study, facts = data.study, data.facts
    box = study.key_box or (1.0, 1.0)  # without a key no lens reads it
    return PairSettings(
        box=(float(np.log10(box[0])), float(np.log10(box[1]))),
        key_range=key_range(data, "key") or (0.0, 0.0),
        off_range=key_range(data, "off") or (0.0, 0.0),
        factor=study.factor,
        trivial=facts.trivial,
        margin=study.analysis.margin,
        confidence=study.analysis.confidence,
        looks=facts.looks,
        largest=largest(data),
        replicates=(
            data.replicates[str(study.candidate)],
            data.replicates[str(study.baseline)],
        ),
        paired=facts.paired,
    )


def _undecided(data: Data) -> Mapping[Lens, str]:
    """Lenses that can have no verdict yet, with the reason."""
    if not data.facts.complete:
        return dict.fromkeys(Lens, _what_is_there(data))
    phase = data.study.phase("radius")
    if phase is not None and key_range(data, "radius") is None:
        return {Lens.EQUAL_RADIUS: GIVE_THE_RANGE}
    return {}


def _what_is_there(data: Data) -> str:
    """Such as `1,200 of 3,936 trainings are there`."""
    there = sum(data.trainings.values()) - sum(data.failed.values())
    study = data.study.model_copy(update={"replicates": data.facts.looks[-1]})
    planned = planned_trials(study)
    if key_range(data, "radius") is None:
        planned = {key: count for key, count in planned.items() if key[1] != "radius"}
    if None in planned.values():
        return f"{there:,} trainings are there, not all"
    wanted = sum(count for count in planned.values() if count is not None)
    return f"{there:,} of {wanted:,} trainings are there"


def _too_narrow_table(data: Data) -> dict[Lens, str]:
    """`own_scale` where the keys of `off` span less than its window, as a table's may."""
    ends = key_range(data, "off")
    if ends is None or ends[1] - ends[0] >= 2 * np.log10(data.study.factor) - 1e-9:
        return {}
    return {
        Lens.OWN_SCALE: f"the keys of the phase off span less than a factor of "
        f"{data.study.factor:g} up and down"
    }
