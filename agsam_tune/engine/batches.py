"""The batches of a pack: gathered by index from data that lie on the device.

In: a split, the coordinates of each row. Out: batches. Trials of the same coordinates see the
same batches, whatever the optimizer or the pack. Must not import Ray or Optuna.

Shapes: K rows (models), N training examples, B examples of a batch, D inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agsam_tune.engine.compiled.orders import shuffle
from agsam_tune.engine.evaluation import Evaluation
from agsam_tune.engine.layout import row_aligned
from agsam_tune.streams import stream_seed

_WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """One batch for each row.

    Attributes:
        split: the training split of every data set.
        place_KB: where in its `x_MD` the examples lie.
        label_KB: where in its labels, one data set after another, theirs are.
    """

    split: Evaluation
    place_KB: Tensor
    label_KB: Tensor

    @property
    def y_M(self) -> Tensor:
        """The labels, one data set after another."""
        return self.split.y_SN.flatten()

    def gathered(self) -> tuple[Tensor, Tensor]:
        """Its (K, B, D) inputs and (K, B) labels."""
        shape = self.place_KB.shape
        gathered = self.split.x_MD.index_select(0, self.place_KB.reshape(-1)).view(*shape, -1)
        x_KBD = row_aligned(tuple(gathered.shape), gathered).copy_(gathered)
        return x_KBD, self.y_M.index_select(0, self.label_KB.reshape(-1)).view(shape)


def orders(
    coordinates: Sequence[Mapping[str, int | str]],
    epoch: int,
    n: int,
    first_K: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """The order in which each row sees n examples in an epoch, (K, N).

    Args:
        coordinates: of the random streams of each row.
        epoch: which.
        n: examples of a row.
        first_K: number of each row's first example; 0 where it is not given.
    """
    key_K = np.array(
        [stream_seed(**of_row, epoch=epoch, stream="batches") & _WORD for of_row in coordinates],
        dtype=np.uint64,
    )
    order_KN = np.empty((len(key_K), n), dtype=np.int64)
    shuffle(key_K, np.zeros(len(key_K), np.int64) if first_K is None else first_K, order_KN)
    return order_KN


class Batches:
    """Shuffled batches for each row; the last short one of an epoch is kept.

    Attributes:
        per_epoch: batches in an epoch.
    """

    def __init__(
        self,
        train: Evaluation,
        batch_size: int,
        coordinates: Sequence[Mapping[str, int | str]],
    ) -> None:
        self._train = train
        self._batch_size = batch_size
        self._coordinates = coordinates
        self._first_K = len(train) * np.array(train.rows, dtype=np.int64)
        self.per_epoch = -(-len(train) // batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on."""
        train = self._train
        order_KN = orders(self._coordinates, epoch, len(train), self._first_K)
        label_KN = torch.as_tensor(order_KN, device=train.x_MD.device)
        place_KN = label_KN if train.in_order else train.place_SN.flatten()[label_KN]
        parts = (torch.split(at_KN, self._batch_size, dim=1) for at_KN in (place_KN, label_KN))
        for number, (place_KB, label_KB) in enumerate(zip(*parts, strict=True)):
            if number < start:
                continue
            place_KB = place_KB.contiguous()
            yield Batch(
                split=train,
                place_KB=place_KB,
                label_KB=place_KB if train.in_order else label_KB.contiguous(),
            )
