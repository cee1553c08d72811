"""What a reader must know besides the numbers, a sentence each.

In: `Data` and what was found. Out: sentences. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping

from agsam_tune.analysis.around import clipped_share
from agsam_tune.analysis.data import Data
from agsam_tune.analysis.gap import gap_note
from agsam_tune.analysis.metrics import common_box
from agsam_tune.analysis.record import OptimizerRecord

__all__ = ["notes_of"]

#: Share of an optimizer's mis-set draws that may stand at a limit without a word.
_CLIPPED = 0.05


def notes_of(data: Data, optimizers: Mapping[str, OptimizerRecord]) -> list[str]:
    """All sentences that hold of this study."""
    return [
        *_design(data),
        *_clipped(data),
        *_boxes(data),
        *(
            f"{name}: {own.failed} of {own.trainings} trainings raised an error and are in no "
            "estimate."
            for name, own in optimizers.items()
            if own.failed
        ),
        *(
            f"{name} at its own best is not shown to do better than sgd, the base optimizer alone."
            for name, own in optimizers.items()
            if own.own_best is not None and own.own_best.helps is False
        ),
        *(note for note in (gap_note(data),) if note is not None),
    ]


def _design(data: Data) -> list[str]:
    study, found = data.study, []
    if study.format == 1:
        found.append(
            "This run is of the first design, in which seeds were crossed with points: points are "
            "taken as independent, and its trainings cannot say how an optimizer does on its own "
            "scale or at equal step length."
        )
    elif study.data == "fixed" and max(data.replicates.values(), default=0) > 1:
        found.append("All replicates share one data set: what is found holds for that one.")
    if study.phase("key") is None and study.key is not None:
        found.append(
            "Without a phase key an optimizer's best is the best half decade of its map, whose "
            "other settings are anywhere: a lower bound, and so is the regret."
        )
    if max(data.replicates.values(), default=0) == 1:
        found.append("One replicate says nothing of the spread: there are no intervals.")
    return found


def _clipped(data: Data) -> list[str]:
    shares = {name: clipped_share(data, name) for name in data.study.optimizers}
    return [
        f"{name}: in {share:.0%} of the mis-set trainings a limit of the rule held a "
        "hyperparameter back."
        for name, share in shares.items()
        if share > _CLIPPED
    ]


def _boxes(data: Data) -> list[str]:
    box = common_box(data)
    if box is None:
        return []
    spaces = data.study.search_spaces
    pair = (str(data.study.candidate), str(data.study.baseline))
    differing = []
    for name, (low, high) in box.items():
        own = [spaces[optimizer].ranges[name] for optimizer in pair]
        if (own[0].low, own[0].high) != (own[1].low, own[1].high):
            each = ", ".join(
                f"{one.low:g} to {one.high:g} for {optimizer}"
                for one, optimizer in zip(own, pair, strict=True)
            )
            differing.append(f"{name} ({each}; in common {low:g} to {high:g})")
    return [
        f"The search boxes differ in {'; '.join(differing)}: same_setting is over each one's own, "
        "mean_score_common_box over the common part."
    ]
