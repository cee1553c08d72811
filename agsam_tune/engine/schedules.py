"""Schedules of the learning rate and of rho over the steps of a training.

In: the recipe and the number of steps. Out: factors, one a step. Imports NumPy only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def lr_factors(schedule: str, *, steps: int, warmup: int = 0) -> npt.NDArray[np.float64]:
    """lr_t / lr for t = 0 … steps−1, (steps,), each in [0, 1].

    Args:
        schedule: `constant`; `cosine`: ½(1 + cos(π t/steps)) (Loshchilov & Hutter 2017,
            arXiv 1608.03983, one period); `linear`: 1 − t/steps. The first step has the full
            rate, and the rate is never zero.
        steps: steps of the training.
        warmup: first steps, over which the factor also rises linearly: (t+1)/warmup.
    """
    t = np.arange(steps)
    shapes = {
        "constant": np.ones(steps),
        "cosine": (1 + np.cos(np.pi * t / steps)) / 2,
        "linear": 1 - t / steps,
    }
    return shapes[schedule] * np.minimum((t + 1) / max(warmup, 1), 1.0)


def rho_factors(schedule: str, lr: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """rho_t / rho for each step, (steps,), each in [0, 1].

    Args:
        schedule: `constant`, or `proportional`: see `proportional_rho` with rho_min = 0.
        lr: the learning rate of each step, or its factors.
    """
    if schedule == "constant":
        return np.ones(len(lr))
    return proportional_rho(
        lr, lr_min=float(lr.min()), lr_max=float(lr.max()), rho_min=0.0, rho_max=1.0
    )


def proportional_rho(
    lr: npt.NDArray[np.float64], *, lr_min: float, lr_max: float, rho_min: float, rho_max: float
) -> npt.NDArray[np.float64]:
    """ρ_t = ρ_min + (ρ_max − ρ_min)(lr_t − lr_min)/(lr_max − lr_min), within [ρ_min, ρ_max].

    ρ_max where lr_max = lr_min (GSAM, arXiv 2203.08065, appendix: rho follows the rate).
    """
    if lr_max == lr_min:
        return np.full(len(lr), rho_max)
    share = np.clip((lr - lr_min) / (lr_max - lr_min), 0.0, 1.0)
    return rho_min + (rho_max - rho_min) * share
