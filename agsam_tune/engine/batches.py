"""The batches of a pack: gathered by index from data that lie on the device.

In: a split, the seed of each row. Out: batches. Rows of one seed see
the same batches, whatever the optimizer or the pack. Must not import Ray or Optuna.

Shapes: K rows (models), N training examples, B examples of a batch, D inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agsam_tune.engine.evaluation import Evaluation
from agsam_tune.engine.layout import row_aligned
from agsam_tune.streams import stream


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """One batch for each row.

    Attributes:
        split: the training split.
        index_KB: which of its examples.
    """

    split: Evaluation
    index_KB: Tensor

    def gathered(self) -> tuple[Tensor, Tensor]:
        """Its (K, B, D) inputs and (K, B) labels."""
        index = self.index_KB.reshape(-1)
        gathered = self.split.x_ND.index_select(0, index).view(*self.index_KB.shape, -1)
        x_KBD = row_aligned(tuple(gathered.shape), gathered).copy_(gathered)
        return x_KBD, self.split.y_N.index_select(0, index).view(self.index_KB.shape)


class Batches:
    """Shuffled batches for each row; the last short one of an epoch is kept.

    Attributes:
        per_epoch: batches in an epoch.
    """

    def __init__(
        self,
        train: Evaluation,
        seeds: Sequence[int],
        batch_size: int,
        coordinates: Mapping[str, int | str],
    ) -> None:
        self._train = train
        self._seeds = sorted(set(seeds))
        self._batch_size = batch_size
        self._coordinates = dict(coordinates)
        self._row_K = torch.tensor([self._seeds.index(s) for s in seeds], device=train.x_ND.device)
        self.per_epoch = -(-len(train.y_N) // batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on."""
        n = len(self._train.y_N)
        orders = [self._order(seed, epoch, n) for seed in self._seeds]
        order_KN = torch.as_tensor(np.stack(orders), device=self._row_K.device)[self._row_K]
        for index_KB in torch.split(order_KN, self._batch_size, dim=1)[start:]:
            yield Batch(split=self._train, index_KB=index_KB.contiguous())

    def _order(self, seed: int, epoch: int, n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        name = stream(**self._coordinates, seed=seed, epoch=epoch, stream="batches")
        return name.permutation(n)
