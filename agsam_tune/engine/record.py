"""What is recorded of every row during training.

In: losses and radii step by step, accuracies epoch by epoch. Out: outcomes. Must not
import Ray or Optuna.

Shapes: E epochs, K rows (models), M sums.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from agsam_tune.trials import Curve, Outcome, State, Trial

# These are summed; f_p's mean is that of f plus that of the gap. The last two where asked for.
_F, _GAP, _RADIUS, _NORM, _COSINE = range(5)


@dataclass(slots=True, kw_only=True)
class Record:
    """Sums over the steps before any divergence, in float64.

    Attributes:
        two_pass: whether the optimizer has an ascent step.
        gradients: whether ‖g‖ and cos(g, gp) are summed as well.
        steps_K: whole steps of each row.
        alive_K: rows that have not diverged.
        total_MK: sums of f, gap and radius over the training, and of ‖g‖ and cos(g, gp).
        epoch_MK: the same over the current epoch.
        epoch_steps_K: whole steps of the current epoch.
        means_EMK: means over each epoch.
        alive_EK: rows that had not diverged at the end of each epoch.
        val_EK, test_EK: accuracies then, on the split to choose on and the test split.
        closed: how many of the epochs have ended.
    """

    two_pass: bool
    gradients: bool
    steps_K: Tensor
    alive_K: Tensor
    total_MK: Tensor
    epoch_MK: Tensor
    epoch_steps_K: Tensor
    means_EMK: Tensor
    alive_EK: Tensor
    val_EK: Tensor
    test_EK: Tensor
    closed: int = 0

    @classmethod
    def empty(
        cls, rows: int, epochs: int, *, two_pass: bool, like: Tensor, gradients: bool = False
    ) -> Self:
        zeros = torch.zeros(5 if gradients else 3, rows, dtype=torch.float64, device=like.device)
        counts = torch.zeros(rows, dtype=torch.int64, device=like.device)
        shares_EK = zeros.new_zeros(epochs, rows)
        return cls(
            two_pass=two_pass,
            gradients=gradients,
            steps_K=counts,
            alive_K=torch.ones(rows, dtype=torch.bool, device=like.device),
            total_MK=zeros,
            epoch_MK=zeros.clone(),
            epoch_steps_K=counts.clone(),
            means_EMK=zeros.new_zeros(epochs, *zeros.shape),
            alive_EK=shares_EK.bool(),
            val_EK=shares_EK,
            test_EK=shares_EK.clone(),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All that changes during the training but `closed`, by name."""
        names = (
            *("steps_K", "alive_K", "total_MK", "epoch_MK", "epoch_steps_K"),
            *("means_EMK", "alive_EK", "val_EK", "test_EK"),
        )
        return {f"record.{name}": getattr(self, name) for name in names}

    def add_step(
        self,
        f_K: Tensor,
        fp_K: Tensor,
        radius_K: Tensor | None,
        alive_K: Tensor,
        gradients: tuple[Tensor, ...] = (),
    ) -> None:
        """Add a step of the rows that are alive after it; `gradients` is (‖g‖, cos(g, gp))."""
        values_MK = torch.stack([f_K, fp_K, fp_K if radius_K is None else radius_K]).double()
        values_MK[1] -= values_MK[0]
        if gradients:
            values_MK = torch.cat([values_MK, torch.stack(gradients)])
        self.epoch_MK += torch.where(alive_K, values_MK, 0.0)
        self.epoch_steps_K += alive_K
        self.alive_K = alive_K

    def close_epoch(self, accuracies: tuple[Tensor, Tensor]) -> None:
        """End an epoch with the accuracies on the split to choose on and the test split."""
        self.total_MK = self.total_MK + self.epoch_MK
        self.steps_K = self.steps_K + self.epoch_steps_K
        self.means_EMK[self.closed] = self.epoch_MK / self.epoch_steps_K
        self.alive_EK[self.closed] = self.alive_K
        self.val_EK[self.closed], self.test_EK[self.closed] = accuracies
        self.closed += 1
        self.epoch_MK = torch.zeros_like(self.epoch_MK)
        self.epoch_steps_K = torch.zeros_like(self.epoch_steps_K)

    def close(self, *losses: Tensor) -> None:
        """End the training; a row whose final loss, each (K,), is not finite has diverged too."""
        for loss_K in losses:
            self.alive_K = self.alive_K & torch.isfinite(loss_K)

    def outcomes(
        self,
        trials: Sequence[Trial],
        test_loss_K: Tensor,
        train_loss_K: Tensor,
        *,
        chance: Sequence[tuple[float, float]],
        seconds: float,
        sharpness: Sequence[Mapping[str, float]] = (),
    ) -> tuple[Outcome, ...]:
        """One outcome a trial.

        Args:
            trials: the rows.
            test_loss_K: loss of the final weights on the test split.
            train_loss_K: the same on the training split.
            chance: of each row, that of its split to choose on and of its test split.
            seconds: of each row.
            sharpness: what was measured of each row's final weights, if it was asked for.
        """
        curves = self._curves(chance)
        means_MK = (self.total_MK / self.steps_K).tolist()
        alive, steps = self.alive_K.tolist(), self.steps_K.tolist()
        series = (self.val_EK[-1], self.test_EK[-1], test_loss_K, train_loss_K)
        rows = zip(*(values_K.tolist() for values_K in series), strict=True)
        return tuple(
            Outcome(
                trial=trial,
                state=State.COMPLETE,
                val_accuracy=val if alive[k] else chance[k][0],
                test_accuracy=test if alive[k] else chance[k][1],
                test_loss=test_loss if alive[k] else math.nan,
                train_loss=train_loss if alive[k] else math.nan,
                radius=means_MK[_RADIUS][k] if self.two_pass else math.nan,
                surrogate_gap=means_MK[_GAP][k] if self.two_pass else math.nan,
                diverged=not alive[k],
                diverged_step=None if alive[k] else steps[k],
                seconds=seconds,
                curve=curves[k],
                sharpness={**sharpness[k], **self._gradients(means_MK, k)} if sharpness else {},
            )
            for k, (trial, (val, test, test_loss, train_loss)) in enumerate(
                zip(trials, rows, strict=True)
            )
        )

    def _gradients(self, means_MK: list[list[float]], k: int) -> dict[str, float]:
        cosine = means_MK[_COSINE][k] if self.two_pass else math.nan
        return {"gradient_norm": means_MK[_NORM][k], "gradient_cosine": cosine}

    def _curves(self, chance: Sequence[tuple[float, float]]) -> list[Curve]:
        """Each row's curve: chance and NaN from the epoch of its divergence on."""
        means_EMK = torch.where(self.alive_EK.unsqueeze(1), self.means_EMK, math.nan)
        val_K, test_K = self.val_EK.new_tensor(chance).unbind(1)
        val_EK = torch.where(self.alive_EK, self.val_EK, val_K)
        test_EK = torch.where(self.alive_EK, self.test_EK, test_K)
        f_EK, gap_EK, radius_EK = means_EMK[:, : _RADIUS + 1].unbind(1)
        if not self.two_pass:
            gap_EK = radius_EK = torch.full_like(f_EK, math.nan)
        series = (val_EK, test_EK, f_EK, f_EK + gap_EK, gap_EK, radius_EK)
        rows = zip(*(values_EK.T.tolist() for values_EK in series), strict=True)
        return [_curve(row) for row in rows]


def _curve(row: Sequence[Sequence[float]]) -> Curve:
    val_accuracy, test_accuracy, f, f_p, surrogate_gap, radius = map(tuple, row)
    return Curve(
        val_accuracy=val_accuracy,
        test_accuracy=test_accuracy,
        f=f,
        f_p=f_p,
        surrogate_gap=surrogate_gap,
        radius=radius,
    )
