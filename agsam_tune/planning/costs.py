"""What packs of a study cost in time, from a few steps of each optimizer.

In: a study, its tasks and how its packs are computed. Out: seconds of any pack. Nothing is trained
to the end. Must not import torch, Ray or Optuna; the engine is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.executors.checks import device_of
from agsam_tune.packs import make_packs
from agsam_tune.study import Study
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Pack, Trial

# What a step takes besides its passes, and a forward pass, in passes.
_STEP, _FORWARD = 1.1, 0.35
# The agenda hands out packs as small as this part of a whole one; smaller ones are rare.
_SMALL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of an optimizer's packs: so many at least, and so many a row.

    Attributes:
        pack: seconds that do not depend on its rows.
        row: seconds of each row.
        rows: of the pack that was measured.
    """

    pack: float
    row: float
    rows: int

    def seconds(self, rows: int) -> float:
        """Of a pack of so many rows."""
        return self.pack + self.row * rows

    @property
    def trial(self) -> float:
        """Seconds of a trial in a pack as large as the one that was measured."""
        return self.seconds(self.rows) / self.rows


Costs = Mapping[str, Cost]


def measured(
    study: Study,
    tasks: Tasks,
    drawn: Sequence[Trial],
    *,
    rows: int,
    way: str,
    seconds: float,
    said: Callable[[str], None],
) -> Costs:
    """The costs of each optimizer, from a few steps of a large pack and of a small one.

    Args:
        study: the study.
        tasks: its tasks.
        drawn: the trials that are known before anything runs.
        rows: of a whole pack.
        way: how packs are computed.
        seconds: of measuring each pack's steps, about.
        said: told what is being measured.

    Raises:
        UsageError: a step raises.
    """
    from agsam_tune.engine import pack_time  # imports torch

    costs = {}
    for pack in _largest_packs(study, drawn, rows):
        said(f"measuring {pack.optimizer}")
        n = len(pack.trials)
        taken = {}
        for size in dict.fromkeys((n, -(-n // _SMALL))):
            part = Pack(trials=pack.trials[:size])
            try:
                found = pack_time(
                    part,
                    tasks,
                    study.training,
                    study_seed=study.seed,
                    device=device_of(study),
                    way=way,
                    sharpness=study.sharpness,
                    seconds=seconds,
                )
            except Exception as error:
                # Whatever a step of a user's own code raises; in a run it is the trial's outcome.
                msg = f"{pack.optimizer}: a step raised {type(error).__name__}: {error}"
                raise UsageError(msg) from error
            taken[size] = found.seconds
        costs[pack.optimizer] = _line(taken)
    return costs


def _line(taken: Mapping[int, float]) -> Cost:
    """The cost that goes through what a large and a small pack took."""
    (large, most), (small, least) = max(taken.items()), min(taken.items())
    row = most / large
    if large > small:  # neither part is negative, whatever was measured
        row = min(max((most - least) / (large - small), 0.0), row)
    return Cost(pack=most - row * large, row=row, rows=large)


def _largest_packs(study: Study, drawn: Sequence[Trial], rows: int) -> list[Pack]:
    """A pack of each optimizer, as large as there is one; of the defaults where none is drawn."""
    found: dict[str, Pack] = {}
    for pack in make_packs(drawn, rows):
        best = found.get(pack.optimizer)
        if best is None or len(pack.trials) > len(best.trials):
            found[pack.optimizer] = pack
    return [found.get(name) or _of_defaults(study, name, rows) for name in study.optimizers]


def _of_defaults(study: Study, optimizer: str, rows: int) -> Pack:
    """A whole pack at the default setting, of an optimizer whose points follow from results."""
    ranges = study.search_spaces[optimizer].ranges
    values = tuple((name, box.default) for name, box in ranges.items())
    return Pack(
        trials=tuple(
            Trial(
                optimizer=optimizer,
                phase="tune",
                replicate=0,
                index=point,
                point=point,
                seed=0,
                hyperparameters=values,
            )
            for point in range(rows)
        )
    )


def from_one_pass(study: Study, tasks: Tasks, engine: Mapping[str, Any]) -> Costs:
    """The same from the seconds of one loss and gradient; without what [sharpness] takes.

    Raises:
        UsageError: they are not known.
    """
    from agsam_tune.optimizers import rule  # imports torch

    one = engine.get("seconds", {}).get(engine["way"])
    if one is None:
        raise UsageError("a pass was not measured")
    recipe, task = study.training, tasks.first
    n = len(task.train.y)
    tested = len(task.test.y) + (0 if task.validation is None else len(task.validation.y))
    costs = {}
    for name in study.optimizers:
        known = rule(study.search_spaces[name].optimizer)
        epochs = recipe.epochs * known.epoch_factor
        passes = epochs * -(-n // recipe.batch_size) * (1 if known.ascent is None else 2)
        evaluated = (epochs * tested + n + len(task.test.y)) / min(recipe.batch_size, n)
        each = one * (_STEP * passes + _FORWARD * evaluated)
        costs[name] = Cost(pack=0.0, row=each, rows=1)
    return costs
