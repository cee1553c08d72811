"""Losses on logits: value, slope and accuracy, row by row.

In: logits of K rows and labels. Out: each row's mean loss, its derivative by the logits,
and counts of right answers. Must not import Ray, Optuna or the study file.

Shapes: K rows (models), B examples, C outputs. One output is the logit of class 1 for
binary cross-entropy; more are the logits of a softmax.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from agsam_tune.engine.layout import padded_to_lanes


def loss_and_slope(z_KBC: Tensor, y_KB: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of each row, (K,), and its derivative by the logits, (K, B, C)."""
    batch = z_KBC.shape[1]
    if z_KBC.shape[2] == 1:
        z_KB, y_KB = _without_remainder(z_KBC[:, :, 0]), _without_remainder(y_KB.to(z_KBC.dtype))
        loss_KB = functional.binary_cross_entropy_with_logits(z_KB, y_KB, reduction="none")
        slope_KB = (torch.sigmoid(z_KB) - y_KB) / batch
        return loss_KB[:, :batch].mean(1), slope_KB[:, :batch].unsqueeze(2)
    log_KBC = torch.log_softmax(z_KBC, 2)
    loss_KB = -log_KBC.gather(2, y_KB.unsqueeze(2))[:, :, 0]
    slope_KBC = torch.exp(log_KBC)
    slope_KBC.scatter_add_(2, y_KB.unsqueeze(2), slope_KBC.new_full((), -1).expand(*y_KB.shape, 1))
    return loss_KB.mean(1), slope_KBC / batch


def losses(z_KBC: Tensor, y_KB: Tensor) -> Tensor:
    """Cross-entropy of every example, (K, B)."""
    if z_KBC.shape[2] == 1:
        y_KB = y_KB.to(z_KBC.dtype)
        return functional.binary_cross_entropy_with_logits(z_KBC[:, :, 0], y_KB, reduction="none")
    return -torch.log_softmax(z_KBC, 2).gather(2, y_KB.unsqueeze(2))[:, :, 0]


def correct(z_KBC: Tensor, y_KB: Tensor) -> Tensor:
    """Number of right answers of each row, (K,)."""
    if z_KBC.shape[2] == 1:
        return ((z_KBC[:, :, 0] > 0) == (y_KB > 0)).sum(1)
    return (z_KBC.argmax(2) == y_KB).sum(1)


def _without_remainder(x_KB: Tensor) -> Tensor:
    """x padded with zeros to whole vector registers: the remainder of a vectorised loop is
    computed by another `exp`, and would fall on other rows in another pack."""
    missing = padded_to_lanes(x_KB.shape[1]) - x_KB.shape[1]
    return functional.pad(x_KB, (0, missing)) if missing else x_KB
