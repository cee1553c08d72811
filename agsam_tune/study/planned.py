"""How many trials a study asks for.

In: a study. Out: counts by optimizer and phase; nothing is drawn. Must not import torch, Ray,
Optuna or pandas.
"""

from agsam_tune.study.misset import misset_layout
from agsam_tune.study.model import Phase
from agsam_tune.study.study import Study

__all__ = ["planned_trials"]


def planned_trials(study: Study) -> dict[tuple[str, str], int | None]:
    """Trials by (optimizer, phase), without phases that it has none in.

    None where the study does not say how many points there are: of trials made elsewhere.
    """
    planned = {
        (name, phase.name): _planned(study, name, phase)
        for name in study.optimizers
        for phase in study.phases
    }
    return {key: n for key, n in planned.items() if n != 0}


def _planned(study: Study, name: str, phase: Phase) -> int | None:
    own = study.search_spaces[name].names
    if phase.name == "fixed":
        return phase.seeds * sum(point.optimizer == name for point in phase.fixed)
    if not own:
        return phase.seeds if phase.name == "map" else 0
    if phase.name == "misset":
        kinds = {"best", "all", *own}
        layout = misset_layout(study.hyperparameters)
        return phase.seeds * sum(point.kind in kinds for point in layout)
    return None if phase.points is None else phase.points * phase.seeds
