"""How much the choice of the best setting varies, were the study run again.

In: `Cells` of map and tune. Out: for each optimizer what it would have chosen in many imagined
studies, and what that does to its best accuracy and to the losses around it. Must not import
pandas, torch, Ray or Optuna.

Given its best setting, an optimizer's a* is measured without bias on fresh seeds. But of two
optimizers that are the same, noise makes one choose a better setting than the other, and fresh
seeds then measure, correctly, a difference that is none between the optimizers. (In a world with
a cliff and noise that grows towards it, comparisons that ignored this found a false winner in
15-23 % of studies instead of 5 %.) So the choice is repeated on imagined data: replicates (of
`tune`, points) are drawn with replacement, the same for all optimizers, and every point is judged
by other seeds of its own. The spread of what is then chosen is a part of the error of everything
that rests on the best setting (a bootstrap; B. Efron and R. Tibshirani, 1993).

Around an imagined choice nothing was run; there the accuracy is read off a kernel average of the
map (E. Nadaraya; G. Watson, 1964), which is used for this spread alone and not for any estimate.

Shapes: B imagined studies, P points, D all-together draws, H hyperparameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.estimate import point_means
from agsam_tune.analysis.table import Cells, Table
from agsam_tune.analysis.unit_cube import to_unit
from agsam_tune.study import SearchSpace, Study

__all__ = ["IMAGINED", "Choices", "imagine_choices"]

Array = NDArray[np.float64]

#: Imagined studies: enough for a variance to within 10 %.
IMAGINED = 400

#: Width of the kernel in the unit cube, much less than the distance between neighbours: nearly the
#: nearest point's accuracy, so that a cliff stays one. (With 0.1, which rounds it off, an optimizer
#: beat itself around the own best in up to 29 % of studies beside a cliff.)
_WIDTH = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What one optimizer would have chosen.

    Attributes:
        chosen_B: index of the chosen point in each imagined study.
        accuracy_P: the points' mean test accuracies.
        unit_PH: the points in the unit cube, each hyperparameter in its own scale.
        space: their ranges.
    """

    chosen_B: NDArray[np.int64]
    accuracy_P: Array
    unit_PH: Array
    space: SearchSpace

    @property
    def best_B(self) -> Array:
        """The accuracy at each imagined choice."""
        return np.asarray(self.accuracy_P[self.chosen_B])

    def around(self, factors_DH: Array) -> Array:
        """Accuracies with an imagined choice's hyperparameters off by these factors, (B, D)."""
        unique, inverse_B = np.unique(self.chosen_B, return_inverse=True)
        scaled = [_moved(self, unique, factors_H) for factors_H in factors_DH]
        at_U = self._smooth(self.unit_PH[unique])
        loss_UD = np.stack([at_U - self._smooth(unit_UH) for unit_UH in scaled], axis=1)
        return np.asarray(self.best_B[:, None] - loss_UD[inverse_B])

    def around_setting(self, setting: Mapping[str, float], factors_NH: Array) -> Array:
        """Accuracies with the hyperparameters of one setting off by these factors, (N,)."""
        starts = {
            name: setting[name] if setting[name] > 0 else self.space.ranges[name].default
            for name in self.space.names
        }
        moved = {name: start * factors_NH[:, h] for h, (name, start) in enumerate(starts.items())}
        return self._smooth(np.clip(to_unit(moved, self.space), 0.0, 1.0))

    def _smooth(self, unit_UH: Array) -> Array:
        square_UP = (((unit_UH[:, None, :] - self.unit_PH[None, :, :]) / _WIDTH) ** 2).sum(axis=2)
        kernel_UP = np.exp(-0.5 * (square_UP - square_UP.min(axis=1, keepdims=True)))
        return np.asarray(kernel_UP @ self.accuracy_P / kernel_UP.sum(axis=1))


def imagine_choices(table: Table, study: Study) -> dict[str, Choices]:
    """optimizer -> its choices; without those that have no hyperparameters or no trials.

    The imagined replicates are the same for all optimizers, and follow from the study's seed.
    """
    root = np.random.SeedSequence([study.seed, 0x5E1EC7])
    designs, *noises = root.spawn(1 + len(study.optimizers))
    present: dict[str, Array] = {}
    found = {}
    for optimizer, noise in zip(study.optimizers, noises, strict=True):
        space = study.search_spaces[optimizer]
        parts = [
            (phase, cells)
            for phase in ("map", "tune")
            if (cells := table.get(optimizer, phase)) is not None and space.names
        ]
        if not parts:
            continue
        for phase, cells in parts:
            if phase not in present:
                generator = np.random.default_rng(designs.spawn(1)[0])
                present[phase] = _imagined_design(cells, generator)
        found[optimizer] = _choose(parts, present, space, np.random.default_rng(noise))
    return found


def _imagined_design(cells: Cells, generator: np.random.Generator) -> Array:
    """Whether each point is in each imagined design, (B, P)."""
    clusters = int(cells.replicate_P.max()) + 1
    counts_BR = generator.multinomial(clusters, np.full(clusters, 1 / clusters), IMAGINED)
    return np.asarray(counts_BR[:, cells.replicate_P] > 0)


def _choose(
    parts: list[tuple[str, Cells]],
    present: Mapping[str, Array],
    space: SearchSpace,
    generator: np.random.Generator,
) -> Choices:
    score_BP, accuracy_P, unit_PH = [], [], []
    for phase, cells in parts:
        even = int(np.sum(cells.seeds % 2 == 0))
        drawn_BP = _imagined_scores(cells.validation_PS, even, generator)
        judged_P = np.isfinite(point_means(cells.validation_PS)[0])
        usable_BP = present[phase] & judged_P[None, :]
        score_BP.append(np.where(usable_BP, drawn_BP, -np.inf))
        accuracy_P.append(point_means(cells.accuracy_PS)[0])
        unit_PH.append(to_unit(cells.settings, space))
    accuracy = np.concatenate(accuracy_P)
    unit, score = np.concatenate(unit_PH), np.concatenate(score_BP, axis=1)
    known = np.isfinite(accuracy) & np.isfinite(unit).all(axis=1)
    return Choices(
        chosen_B=np.argmax(score[:, known], axis=1),
        accuracy_P=accuracy[known],
        unit_PH=unit[known],
        space=space,
    )


def _imagined_scores(validation_PS: Array, even: int, generator: np.random.Generator) -> Array:
    """Means of as many seeds of each point as there are even ones, drawn afresh, (B, P).

    Drawn from the point's own seeds without replacement: that has the variance of new seeds
    about the mean of all (for half of them), and of a point where some seeds collapse it keeps
    that no mean is above the best seed, as noise from a normal distribution would not.
    """
    order_BPS = generator.random((IMAGINED, *validation_PS.shape))
    order_BPS[:, ~np.isfinite(validation_PS)] = np.inf
    drawn_BPS = np.argsort(order_BPS, axis=2)[:, :, : max(even, 1)]
    values_BPS = np.take_along_axis(validation_PS[None], drawn_BPS, axis=2)
    known_BPS = np.isfinite(values_BPS)
    sums_BP = np.where(known_BPS, values_BPS, 0.0).sum(axis=2)
    return np.asarray(sums_BP / np.maximum(known_BPS.sum(axis=2), 1))


def _moved(choices: Choices, rows: NDArray[np.int64], factors_H: Array) -> Array:
    """These points of the unit cube with every hyperparameter times its factor, cut at the box.

    The map knows nothing outside its box; the nearest face stands for what lies beyond.
    """
    moved = []
    for h, name in enumerate(choices.space.names):
        own, unit = choices.space.ranges[name], choices.unit_PH[rows, h]
        if own.log:
            moved.append(unit + np.log(factors_H[h]) / np.log(own.high / own.low))
        else:
            value = own.low + unit * (own.high - own.low)
            moved.append((value * factors_H[h] - own.low) / (own.high - own.low))
    return np.asarray(np.clip(np.stack(moved, axis=1), 0.0, 1.0))
