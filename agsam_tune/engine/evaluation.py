"""Accuracy and loss of every row on a split.

In: weights of K rows and a split on the device. Out: fractions and mean losses. Must not
import Ray or Optuna.

Shapes: K rows (models), P columns of one row, N examples, D numbers of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from agsam_tune.engine.losses import Loss, correct
from agsam_tune.engine.pack_model import PackModel
from agsam_tune.tasks.task import Split

# Examples at a time, at most; on a CPU few enough that their activations stay in the cache
# (images of 28×28 in the paper's CNN: 83 take 36 µs each, 256 take 43, 512 take 85).
CHUNK = 256
_CACHED_NUMBERS, _LEAST = 1 << 16, 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """A split on the device.

    Attributes:
        x_ND: examples, in the order in which the model reads them.
        y_N: labels, int64.
    """

    x_ND: Tensor
    y_N: Tensor

    @classmethod
    def of(cls, split: Split, model: PackModel, device: torch.device, dtype: torch.dtype) -> Self:
        x_ND = model.flat(torch.as_tensor(split.x, dtype=dtype, device=device))
        return cls(x_ND=x_ND, y_N=torch.as_tensor(split.y, device=device))

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        size = CHUNK
        if self.x_ND.device.type == "cpu":
            size = min(max(_CACHED_NUMBERS // self.x_ND.shape[1], _LEAST), CHUNK)
        return zip(torch.split(self.x_ND, size), torch.split(self.y_N, size), strict=True)


def evaluate_accuracy(
    model: PackModel, w_KP: Tensor, choosing: Evaluation, test: Evaluation
) -> tuple[Tensor, Tensor]:
    """Accuracy on the split to choose on and on the test split, each (K,)."""
    test_K = _accuracy(model, w_KP, test)
    return (test_K if choosing is test else _accuracy(model, w_KP, choosing)), test_K


def _accuracy(model: PackModel, w_KP: Tensor, split: Evaluation) -> Tensor:
    right_K = torch.zeros(len(w_KP), dtype=torch.int64, device=w_KP.device)
    for x_ND, y_N in split.chunks():
        right_K += correct(model.logits(w_KP, x_ND), y_N.expand(len(w_KP), -1))
    return right_K.double() / len(split.y_N)


def mean_loss(model: PackModel, loss: Loss, w_KP: Tensor, split: Evaluation) -> Tensor:
    """The reported loss of every row, (K,) float64."""
    total_K = torch.zeros(len(w_KP), dtype=torch.float64, device=w_KP.device)
    for x_ND, y_N in split.chunks():
        loss_KN = loss.each(model.logits(w_KP, x_ND), y_N.expand(len(w_KP), -1))
        total_K += loss_KN.double().sum(1)
    return total_K / len(split.y_N)
