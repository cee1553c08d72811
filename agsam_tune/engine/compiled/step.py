"""What is computed of every row of a pack: losses and gradients, a step of SGD, logits.

In: (K, P) matrices and a batch for each row. Out: losses, gradients, radii, new weights. Must
not import PyTorch, Ray or Optuna.

Shapes: K rows (models), P columns of one row, B examples of a batch, D inputs, X the numbers
of a batch as they lie in memory, M examples and labels of all data sets, N examples of a split,
C outputs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

from numba import njit

from agsam_tune.engine.compiled.passes import forward, loss_and_gradient
from agsam_tune.engine.compiled.rules import ONE_PASS, ascend, descend, direct, finite


@njit(boundscheck=False)
def _gather(x_MD, place_B, x_X):
    """Examples from wherever they lie, written to `x_X`."""
    width = x_MD.shape[1]
    x_BD = x_X[: len(place_B) * width].reshape(len(place_B), width)
    for b in range(len(place_B)):
        for d in range(width):
            x_BD[b, d] = x_MD[place_B[b], d]


@njit(boundscheck=False)
def _take(y_M, label_B, y_B):
    """The labels of a batch, written to `y_B`."""
    for b in range(len(label_B)):
        y_B[b] = y_M[label_B[b]]


def _functions(sources: str, *, cache: bool) -> tuple[Callable[..., None], ...]:
    """The functions that are called from outside, compiled anew where `sources` is another.

    Numba caches them on disk by their own file's time and by what they close over, and would
    not see that a function which they call has changed.

    Raises:
        RuntimeError: they are to be cached, and no folder can be written to.
    """

    @njit(cache=cache, boundscheck=False)
    def gradients(w_KP, x_KX, y_KB, tables, kind, smoothing, g_KP, f_K):
        """Each row's mean loss and gradient on its batch, written to `f_K` and `g_KP`."""
        _ = sources
        for k in range(len(w_KP)):
            f_K[k] = loss_and_gradient(w_KP[k], x_KX[k], y_KB[k], tables, kind, smoothing, g_KP[k])

    @njit(cache=cache, boundscheck=False)
    def sgd_step(
        w_KP, x_MD, y_M, place_KB, label_KB, tables, kind, smoothing, x_X, y_B, d_P,
        ascent, direction, settings_KS, nesterov, exact, alive_K,
        g_KP, gp_KP, velocity_KP, next_KP, f_K, fp_K, radius_K,
    ):  # fmt: skip
        """A whole step of each row that is alive; see `CompiledRows.sgd_step`.

        Args:
            w_KP: weights.
            x_MD: the training splits.
            y_M: their labels.
            place_KB: the examples of each row's batch, and in `label_KB` their labels.
            tables: see `tables`.
            kind: code of the loss.
            smoothing: of the labels.
            x_X: scratch for a batch's examples, with `y_B` for its labels.
            y_B: see above.
            d_P: scratch for an update direction.
            ascent: code of the ascent step, or `ONE_PASS`.
            direction: code of the update direction.
            settings_KS: rho, gamma, α or λ, lr, momentum and weight decay of each row.
            nesterov: whether momentum is Nesterov's.
            exact: whether ascent steps have exactly the length rho.
            alive_K: rows to compute; one that becomes non-finite is struck out.
            g_KP: receives the gradient at w, as `gp_KP` that at w + Δw.
            gp_KP: see above.
            velocity_KP: running means, brought up to date.
            next_KP: receives the weights after the step.
            f_K: receives the loss at w, as `fp_K` that at w + Δw; both are the same with one
                pass.
            fp_K: see above.
            radius_K: receives ‖Δw‖; with one pass it is left as it is.
        """
        _ = sources
        for k in range(len(w_KP)):
            if not alive_K[k]:
                continue
            w_P, g_P, gp_P, out_P = w_KP[k], g_KP[k], gp_KP[k], next_KP[k]
            rho, gamma, weight, lr, momentum, decay = settings_KS[k]
            _gather(x_MD, place_KB[k], x_X)
            _take(y_M, label_KB[k], y_B)
            f = loss_and_gradient(w_P, x_X, y_B, tables, kind, smoothing, g_P)
            fp = f
            if ascent != ONE_PASS:
                # The row of the weights after the step holds those ahead until then.
                radius_K[k] = ascend(ascent, w_P, g_P, rho, gamma, exact, out_P)
                fp = loss_and_gradient(out_P, x_X, y_B, tables, kind, smoothing, gp_P)
            direct(direction, g_P, gp_P, weight, d_P)
            descend(w_P, d_P, velocity_KP[k], lr, momentum, decay, nesterov, out_P)
            f_K[k], fp_K[k] = f, fp
            alive_K[k] = math.isfinite(f) and math.isfinite(fp) and finite(out_P)

    @njit(cache=cache, boundscheck=False)
    def logits(w_KP, x_MD, place_KN, x_X, tables, z_KNC):
        """Outputs of every row on examples of its own, gathered in `x_X`, written to `z_KNC`."""
        _ = sources
        for k in range(len(w_KP)):
            _gather(x_MD, place_KN[k], x_X)
            found_NC = forward(w_KP[k], x_X, place_KN.shape[1], tables)
            z_KNC[k] = found_NC[:, : z_KNC.shape[2]]

    return gradients, sgd_step, logits


def _digest() -> str:
    """Of everything that is compiled here."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


try:
    gradients, sgd_step, logits = _functions(_digest(), cache=True)
except RuntimeError:
    gradients, sgd_step, logits = _functions(_digest(), cache=False)
