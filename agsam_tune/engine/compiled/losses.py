"""The losses of `agsam_tune.engine.losses` for one row, with their slopes.

In: logits and labels. Out: a mean loss, and its derivative by the logits. Must not import
PyTorch, Ray or Optuna.
"""

from __future__ import annotations

import math

from numba import njit

# Codes of the kinds of `agsam_tune.engine.losses.Loss`.
CODES = {"cross_entropy": 0, "one_hot_binary": 1}
_ONE_HOT_BINARY = CODES["one_hot_binary"]


@njit
def _binary(z, t):
    """Binary cross-entropy of a logit with its target, and its derivative by the logit."""
    e = math.exp(-abs(z))
    loss = (1 - t) * z + math.log1p(e)
    if z < 0:
        return loss - z, e / (1 + e) - t
    return loss, 1 / (1 + e) - t


@njit(boundscheck=False)
def loss_and_slope(kind, smoothing, z_BC, y_B, outputs, slope_BC):
    """The mean loss of a batch; its derivative by the logits is written to `slope_BC`.

    Args:
        kind: code of the loss.
        smoothing: of the labels.
        z_BC: logits, of which the first `outputs` of an example count.
        y_B: labels.
        outputs: see above.
        slope_BC: receives the derivative, and zeros where no logit counts.
    """
    share, kept = smoothing / max(outputs, 2), 1 - smoothing
    batch, total = len(y_B), 0.0
    for b in range(batch):
        if outputs == 1:
            loss, slope = _binary(z_BC[b, 0], y_B[b] * kept + share)
            slope_BC[b, 0] = slope / batch
            total += loss
        elif kind == _ONE_HOT_BINARY:
            for c in range(outputs):
                loss, slope = _binary(z_BC[b, c], (c == y_B[b]) * kept + share)
                slope_BC[b, c] = slope / (outputs * batch)
                total += loss / outputs
        else:
            total += _softmax(z_BC[b], y_B[b], outputs, kept, share, batch, slope_BC[b])
        for c in range(outputs, slope_BC.shape[1]):
            slope_BC[b, c] = 0
    return total / batch


@njit(boundscheck=False)
def _softmax(z_C, label, outputs, kept, share, batch, slope_C):
    """Cross-entropy of an example's softmax with its smoothed label."""
    largest = z_C[0]
    for c in range(1, outputs):
        # Written so that NaN is taken.
        if not z_C[c] <= largest:
            largest = z_C[c]
    total = 0.0
    for c in range(outputs):
        slope_C[c] = math.exp(z_C[c] - largest)
        total += slope_C[c]
    logarithm, mean = math.log(total), 0.0
    for c in range(outputs):
        mean += z_C[c] - largest - logarithm
        slope_C[c] = (slope_C[c] / total - share) / batch
    slope_C[label] -= kept / batch
    return -kept * (z_C[label] - largest - logarithm) - share * mean
