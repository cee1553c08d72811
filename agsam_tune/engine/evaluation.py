"""The splits of a pack's data sets on the device, and accuracy and loss of every row on them.

In: weights of K rows and a split of each row's data set. Out: fractions and mean losses. Must
not import Ray or Optuna.

Shapes: K rows (models), P columns of one row, S data sets, N examples of a split, M examples
that splits are drawn from, D numbers of one, C outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from agsam_tune.engine.compiled.rows import CompiledRows
from agsam_tune.engine.losses import Loss, correct
from agsam_tune.engine.pack_model import PackModel
from agsam_tune.tasks.task import Split

# Examples at a time, at most; on a CPU few enough that their activations stay in the cache
# (images of 28×28 in the paper's CNN: 83 take 36 µs each, 256 take 43, 512 take 85).
CHUNK = 256
_CACHED_NUMBERS, _LEAST = 1 << 16, 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """A split of every data set of a pack, on the device; all are of one size.

    Attributes:
        x_MD: what the splits are drawn from, in the order in which the model reads it.
        place_SN: where in it each example lies, int64.
        y_SN: labels, int64.
        set_K: the data set of each row, int64.
        rows: the same as `set_K`, to be read without waiting for the device.
        in_order: whether the examples lie one after another, as their labels do.
        groups: of each data set, its number and its rows.
    """

    x_MD: Tensor
    place_SN: Tensor
    y_SN: Tensor
    set_K: Tensor
    rows: tuple[int, ...]
    in_order: bool
    groups: tuple[tuple[int, Tensor | slice], ...]

    @classmethod
    def of(
        cls,
        splits: Sequence[Split],
        rows: Sequence[int],
        model: PackModel,
        device: torch.device,
        dtype: torch.dtype,
    ) -> Self:
        """The splits on the device; inputs that several are drawn from are there once.

        Args:
            splits: one a data set.
            rows: the data set of each row.
            model: which orders the numbers of an example.
            device: where.
            dtype: of the inputs.
        """
        starts: dict[int, int] = {}
        inputs, places, end = [], [], 0
        for split in splits:
            if id(split.x) not in starts:
                starts[id(split.x)], end = end, end + len(split.x)
                inputs.append(model.flat(torch.as_tensor(split.x, dtype=dtype, device=device)))
            index_N = (
                torch.arange(len(split.x)) if split.index is None else torch.as_tensor(split.index)
            )
            places.append(index_N + starts[id(split.x)])
        place_SN = torch.stack(places)
        place_M = place_SN.flatten()
        return cls(
            x_MD=inputs[0] if len(inputs) == 1 else torch.cat(inputs),
            place_SN=place_SN.to(device),
            y_SN=torch.stack([torch.as_tensor(split.y) for split in splits]).to(device),
            set_K=torch.tensor(rows, device=device),
            rows=tuple(rows),
            in_order=torch.equal(place_M, torch.arange(len(place_M))),
            groups=tuple(_groups(len(splits), rows, device)),
        )

    def __len__(self) -> int:
        """Examples of each data set."""
        return self.y_SN.shape[1]

    def outputs(
        self, model: PackModel, w_KP: Tensor, most: int | None = None
    ) -> Iterator[tuple[Tensor | slice, Tensor, Tensor]]:
        """Rows, their (K, n, C) outputs on n of their examples, and the (K, n) labels.

        Rows of one data set are computed together, and alone, so that none depends on the
        others; compiled rows are independent anyhow.

        Args:
            model: of the rows.
            w_KP: their weights.
            most: examples of each row; None for all.
        """
        if isinstance(model, CompiledRows):
            for chunk in self._chunks(most):
                place_KN = self.place_SN[:, chunk][self.set_K]
                z_KNC = model.logits_at(w_KP, self.x_MD, place_KN)
                yield slice(None), z_KNC, self.y_SN[:, chunk][self.set_K]
            return
        for number, rows in self.groups:
            of_group_KP = w_KP[rows]
            for chunk in self._chunks(most):
                x_ND = self.x_MD.index_select(0, self.place_SN[number, chunk])
                z_KNC = model.logits(of_group_KP, x_ND)
                yield rows, z_KNC, self.y_SN[number, chunk].expand(len(of_group_KP), -1)

    def _chunks(self, most: int | None) -> Iterator[slice]:
        size = CHUNK
        if self.x_MD.device.type == "cpu":
            size = min(max(_CACHED_NUMBERS // self.x_MD.shape[1], _LEAST), CHUNK)
        end = len(self) if most is None else min(most, len(self))
        return (slice(start, min(start + size, end)) for start in range(0, end, size))


def _groups(
    count: int, rows: Sequence[int], device: torch.device
) -> Iterator[tuple[int, Tensor | slice]]:
    """Each data set with its rows, as a slice where they follow one another."""
    for number in range(count):
        members = [row for row, found in enumerate(rows) if found == number]
        first, after = members[0], members[-1] + 1
        if len(members) == after - first:
            yield number, slice(first, after)
        else:
            yield number, torch.tensor(members, device=device)


def evaluate_accuracy(
    model: PackModel, w_KP: Tensor, choosing: Evaluation, test: Evaluation
) -> tuple[Tensor, Tensor]:
    """Accuracy on the split to choose on and on the test split, each (K,)."""
    test_K = _accuracy(model, w_KP, test)
    return (test_K if choosing is test else _accuracy(model, w_KP, choosing)), test_K


def _accuracy(model: PackModel, w_KP: Tensor, split: Evaluation) -> Tensor:
    right_K = torch.zeros(len(w_KP), dtype=torch.int64, device=w_KP.device)
    for rows, z_KNC, y_KN in split.outputs(model, w_KP):
        right_K[rows] += correct(z_KNC, y_KN)
    return right_K.double() / len(split)


def mean_loss(
    model: PackModel, loss: Loss, w_KP: Tensor, split: Evaluation, most: int | None = None
) -> Tensor:
    """The reported loss of every row, (K,) float64; of its first `most` examples, if given."""
    total_K = torch.zeros(len(w_KP), dtype=torch.float64, device=w_KP.device)
    for rows, z_KNC, y_KN in split.outputs(model, w_KP, most):
        total_K[rows] += loss.each(z_KNC, y_KN).double().sum(1)
    return total_K / (len(split) if most is None else min(most, len(split)))
