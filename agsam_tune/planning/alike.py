"""Whether the optimizers of a study are searched alike, as far as they share hyperparameters.

In: a study. Out: a sentence for each hyperparameter that is not. Must not import torch, Ray or
Optuna.

What is searched in a wider range loses more when it is mis-set, whatever the optimizer. All of
them have the base optimizer's lr, momentum and weight_decay, which are fixed where they are not
searched; any other is compared among those that have it.
"""

from __future__ import annotations

from agsam_tune.study import BASE_HYPERPARAMETERS, Range, Study

__all__ = ["unlike_searches"]


def unlike_searches(study: Study) -> tuple[str, ...]:
    """What is not searched alike, each with how it is for whom; () where all is."""
    if all(phase.name == "fixed" for phase in study.phases):
        return ()
    spaces = [study.search_spaces[optimizer] for optimizer in study.optimizers]
    names = dict.fromkeys(name for space in spaces for name in space.names)
    found = []
    for name in names:
        ways: dict[str, list[str]] = {}
        for space in spaces:
            if name in space.names or name in BASE_HYPERPARAMETERS:
                way = _way(study, name, space.ranges.get(name))
                ways.setdefault(way, []).append(space.optimizer)
        if len(ways) > 1:
            listed = "; ".join(f"{way} for {', '.join(who)}" for way, who in ways.items())
            found.append(f"Not searched alike: {name}, {listed}.")
    return tuple(found)


def _way(study: Study, name: str, searched: Range | None) -> str:
    if searched is None:
        return f"not searched ({getattr(study.training, name):g})"
    scale = " (logarithmic)" if searched.log else ""
    return f"from {searched.low:g} to {searched.high:g}{scale}"
