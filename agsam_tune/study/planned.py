"""How many trials a study asks for.

In: a study. Out: counts by optimizer and phase; nothing is drawn. Must not import torch, Ray,
Optuna or pandas.
"""

from agsam_tune.study.model import Phase
from agsam_tune.study.study import Study

__all__ = ["planned_trials", "seeds_of"]

#: Every so many points of the map have a second seed.
_SECOND_SEED = 4


def seeds_of(phase: Phase, index: int) -> range:
    """The seeds of a phase's point: two at every fourth of the map, in `default` what it says."""
    if phase.name == "map" and index % _SECOND_SEED == 0:
        return range(2)
    return range(phase.seeds)


def planned_trials(study: Study) -> dict[tuple[str, str], int | None]:
    """Trials by (optimizer, phase), without phases that it has none in.

    None where the study does not say how many points there are: of trials made elsewhere.
    """
    planned = {
        (name, phase.name): _planned(study, name, phase)
        for phase in study.phases
        for name in study.optimizers_of(phase.name)
    }
    order = [(name, phase.name) for name in study.optimizers for phase in study.phases]
    return {key: planned[key] for key in order if planned.get(key, 0) != 0}


def _planned(study: Study, name: str, phase: Phase) -> int | None:
    if phase.name == "fixed":
        return phase.seeds * sum(point.optimizer == name for point in phase.fixed)
    if phase.name == "default":
        return study.replicates * phase.seeds
    if phase.points is None:
        return None
    if not study.search_spaces[name].names:
        return study.replicates
    return study.replicates * sum(len(seeds_of(phase, i)) for i in range(phase.points))
