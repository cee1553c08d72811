"""Losses on logits: value, slope and accuracy, row by row.

In: logits of K rows and labels. Out: each row's mean loss, its derivative by the logits,
and counts of right answers. Must not import Ray, Optuna or the study file.

Shapes: K rows (models), B examples, C outputs. One output is the logit of class 1 for
binary cross-entropy; more are the logits of a softmax.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from agsam_tune.engine.layout import padded_to_lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is trained on and reported.

    Attributes:
        kind: `cross_entropy`, or `one_hot_binary`: the binary cross-entropy of each output's
            logit with the one-hot label, averaged over the outputs. That is what Keras
            computes of "binary_crossentropy" for a softmax: it takes the softmax's logits
            and applies a sigmoid to each of them.
        smoothing: share of each label that is spread evenly over all classes (Szegedy et
            al. 2016, arXiv 1512.00567), in training alone; of two classes for one output.
    """

    kind: str = "cross_entropy"
    smoothing: float = 0.0

    def value_and_slope(self, z_KBC: Tensor, y_KB: Tensor) -> tuple[Tensor, Tensor]:
        """Mean training loss of each row, (K,), and its derivative by the logits, (K, B, C)."""
        if z_KBC.shape[2] == 1:
            return self._one_logit(z_KBC, y_KB)
        if self.kind == "one_hot_binary":
            return self._one_hot_binary(z_KBC, y_KB)
        return self._softmax(z_KBC, y_KB)

    def each(self, z_KBC: Tensor, y_KB: Tensor) -> Tensor:
        """The reported loss of every example, (K, B); differentiable by the logits."""
        if z_KBC.shape[2] == 1:
            t_KB = y_KB.to(z_KBC.dtype)
            return _binary(z_KBC[:, :, 0], t_KB)
        if self.kind == "one_hot_binary":
            t_KBC = functional.one_hot(y_KB, z_KBC.shape[2]).to(z_KBC.dtype)
            return _binary(z_KBC, t_KBC).mean(2)
        return -torch.log_softmax(z_KBC, 2).gather(2, y_KB.unsqueeze(2))[:, :, 0]

    def _one_logit(self, z_KBC: Tensor, y_KB: Tensor) -> tuple[Tensor, Tensor]:
        batch = z_KBC.shape[1]
        z_KB, t_KB = _without_remainder(z_KBC[:, :, 0]), _without_remainder(y_KB.to(z_KBC.dtype))
        if self.smoothing:
            t_KB = t_KB * (1 - self.smoothing) + self.smoothing / 2
        loss_KB = _binary(z_KB, t_KB)
        slope_KB = (torch.sigmoid(z_KB) - t_KB) / batch
        return loss_KB[:, :batch].mean(1), slope_KB[:, :batch].unsqueeze(2)

    def _softmax(self, z_KBC: Tensor, y_KB: Tensor) -> tuple[Tensor, Tensor]:
        index_KB1, batch = y_KB.unsqueeze(2), z_KBC.shape[1]
        log_KBC = torch.log_softmax(z_KBC, 2)
        loss_KB = -log_KBC.gather(2, index_KB1)[:, :, 0]
        slope_KBC = torch.exp(log_KBC)
        if self.smoothing:
            loss_KB = (1 - self.smoothing) * loss_KB - self.smoothing * log_KBC.mean(2)
            slope_KBC -= self.smoothing / z_KBC.shape[2]
        share = slope_KBC.new_full((), self.smoothing - 1).expand(*y_KB.shape, 1)
        slope_KBC.scatter_add_(2, index_KB1, share)
        return loss_KB.mean(1), slope_KBC / batch

    def _one_hot_binary(self, z_KBC: Tensor, y_KB: Tensor) -> tuple[Tensor, Tensor]:
        batch, classes = z_KBC.shape[1:]
        t_KBC = functional.one_hot(y_KB, classes).to(z_KBC.dtype)
        if self.smoothing:
            t_KBC = t_KBC * (1 - self.smoothing) + self.smoothing / classes
        slope_KBC = (torch.sigmoid(z_KBC) - t_KBC) / (classes * batch)
        return _binary(z_KBC, t_KBC).mean((1, 2)), slope_KBC


def correct(z_KBC: Tensor, y_KB: Tensor) -> Tensor:
    """Number of right answers of each row, (K,)."""
    if z_KBC.shape[2] == 1:
        return ((z_KBC[:, :, 0] > 0) == (y_KB > 0)).sum(1)
    return (z_KBC.argmax(2) == y_KB).sum(1)


def _binary(z: Tensor, t: Tensor) -> Tensor:
    """Binary cross-entropy of each logit with its target."""
    return functional.binary_cross_entropy_with_logits(z, t, reduction="none")


def _without_remainder(x_KB: Tensor) -> Tensor:
    """x padded with zeros to whole vector registers: the remainder of a vectorised loop is
    computed by another `exp`, and would fall on other rows in another pack."""
    missing = padded_to_lanes(x_KB.shape[1]) - x_KB.shape[1]
    return functional.pad(x_KB, (0, missing)) if missing else x_KB
