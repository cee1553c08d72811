"""Ascent steps and update directions for one row, each in one or two passes over it.

In: a row of weights, its gradients and hyperparameters. Out: weights ahead, a direction, the
weights after a step. Must not import PyTorch, Ray or Optuna.

They are those of `agsam_tune.optimizers.rules`, which says what they are and where they come
from; here Δw = s·Tᵖg with T = |w|+γ and a scale s of the whole row. Sums are taken in
float64, in which no norm of float32 numbers over- or underflows.

Shapes: P columns of a row.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# Codes of the ascent steps and of the directions, by the names of their functions.
ASCENTS = {"ball": 0, "adaptive_gsam": 1, "gsam_matched": 2, "asam": 3}
DIRECTIONS = {"plain": 0, "perturbed": 1, "decomposed": 2, "penalised": 3}
ONE_PASS = -1
_BALL, _ADAPTIVE, _MATCHED, _ASAM = range(4)
_PLAIN, _PERTURBED, _DECOMPOSED = range(3)


@njit(fastmath={"reassoc", "contract"}, boundscheck=False)
def _norm(g_P):
    total = 0.0
    for i in range(len(g_P)):
        total += np.float64(g_P[i]) * np.float64(g_P[i])
    return math.sqrt(total)


@njit(fastmath={"reassoc", "contract"}, boundscheck=False)
def _scaled_norm(w_P, g_P, gamma, twice):
    """‖T g‖, or ‖T² g‖."""
    total = 0.0
    for i in range(len(g_P)):
        scale = abs(np.float64(w_P[i])) + gamma
        if twice:
            scale *= scale
        total += (g_P[i] * scale) * (g_P[i] * scale)
    return math.sqrt(total)


@njit(fastmath={"reassoc", "contract"}, boundscheck=False)
def _products(g_P, gp_P):
    """⟨g, gp⟩ and ‖gp‖²; the same where both gradients are equal."""
    mixed, square = 0.0, 0.0
    for i in range(len(g_P)):
        mixed += np.float64(g_P[i]) * np.float64(gp_P[i])
        square += np.float64(gp_P[i]) * np.float64(gp_P[i])
    return mixed, square


@njit(boundscheck=False)
def ascend(code, w_P, g_P, rho, gamma, exact, ahead_P):
    """w + Δw is written to `ahead_P`; returns the radius ‖Δw‖, which is rho where `exact`."""
    if code == _ASAM:
        divisor, length = _scaled_norm(w_P, g_P, gamma, False), _scaled_norm(w_P, g_P, gamma, True)
    else:
        divisor = length = _norm(g_P)
        if code != _BALL:
            length = _scaled_norm(w_P, g_P, gamma, False)
    scale = rho / divisor if divisor > 0 else 0.0
    if code == _MATCHED and divisor > 0:
        scale *= length / divisor
        length = divisor
    if exact:
        scale = rho / length if length > 0 else 0.0
    if code == _ADAPTIVE:
        for i in range(len(w_P)):
            ahead_P[i] = w_P[i] + w_P.dtype.type(scale * g_P[i] * (abs(np.float64(w_P[i])) + gamma))
    elif code == _ASAM:
        for i in range(len(w_P)):
            size = abs(np.float64(w_P[i])) + gamma
            ahead_P[i] = w_P[i] + w_P.dtype.type(scale * g_P[i] * (size * size))
    else:
        for i in range(len(w_P)):
            ahead_P[i] = w_P[i] + w_P.dtype.type(scale * g_P[i])
    return scale * length


@njit(boundscheck=False)
def direct(code, g_P, gp_P, weight, out_P):
    """The update direction is written to `out_P`; `weight` is α or λ, where there is one."""
    if code == _PLAIN:
        for i in range(len(g_P)):
            out_P[i] = g_P[i]
    elif code == _PERTURBED:
        for i in range(len(g_P)):
            out_P[i] = gp_P[i]
    elif code == _DECOMPOSED:
        mixed, square = _products(g_P, gp_P)
        share = mixed / square if square > 0 else 0.0
        for i in range(len(g_P)):
            ahead = np.float64(gp_P[i])
            out_P[i] = ahead - weight * (g_P[i] - share * ahead)
    else:
        for i in range(len(g_P)):
            out_P[i] = gp_P[i] - (1 - weight) * g_P[i]


@njit(boundscheck=False)
def descend(w_P, d_P, velocity_P, lr, momentum, decay, nesterov, out_P):
    """A step of SGD in the direction `d_P`: new weights are written to `out_P`, and
    `velocity_P` is brought up to date. The base optimizer is `agsam_tune.engine.base`'s."""
    for i in range(len(w_P)):
        slope = d_P[i] + decay * w_P[i]
        velocity = slope + momentum * velocity_P[i]
        velocity_P[i] = velocity
        out_P[i] = w_P[i] - lr * (slope + momentum * velocity if nesterov else velocity)


@njit(fastmath={"reassoc"}, boundscheck=False)
def finite(w_P):
    """Whether all numbers of a row are."""
    total = w_P.dtype.type(0)
    for i in range(len(w_P)):
        total += w_P[i] - w_P[i]
    return total == 0
