"""Forward and backward pass of one perceptron.

In: a row of weights and a batch. Out: logits, or a loss and a gradient. Must not import
PyTorch, Ray or Optuna.

Shapes: P columns of a row, B examples of a batch, D inputs. A layer with O outputs has its
weights at [input, output], a row of them being `stride` long, and its bias after them:
padded with zeros to whole tiles, but for a last layer of one output.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from agsam_tune.engine.compiled.losses import loss_and_slope
from agsam_tune.engine.compiled.tile import padded, product

# Columns of the table of layers.
_INPUTS, _OUTPUTS, _STRIDE, _WEIGHTS, _BIAS, _OUT = range(6)


def stride(outputs: int, *, last: bool) -> int:
    """How long a layer's rows of weights are."""
    return 1 if last and outputs == 1 else padded(outputs)


def layer_table(
    layers: tuple[tuple[int, int], ...], spans: tuple[tuple[int, int], ...], batch: int
) -> tuple[npt.NDArray[np.int64], int]:
    """What the passes look up of each layer, and how many numbers of scratch they need.

    Args:
        layers: (inputs, outputs) of each.
        spans: where each one's weights and its bias begin.
        batch: examples, at most.
    """
    table, start = [], 0
    for number, ((inputs, outputs), (weights, bias)) in enumerate(zip(layers, spans, strict=True)):
        length = stride(outputs, last=number == len(layers) - 1)
        table.append((inputs, outputs, length, weights, bias, start))
        start += batch * length
    widest = max(row[_STRIDE] for row in table)
    # Two slopes and one layer's transposed weights.
    return np.array(table, dtype=np.int64), start + widest * (2 * batch + widest)


@njit(boundscheck=False)
def _matrix(numbers, start, rows, columns):
    """A part of a row or of the scratch as a matrix.

    Loops over it are vectorised; not those over offsets, which might be negative to Numba.
    """
    return numbers[start : start + rows * columns].reshape(rows, columns)


@njit(boundscheck=False)
def _layer(w, layers, n):
    """Weights (I, stride) and bias (stride,) of a layer."""
    inputs, row, bias = layers[n, _INPUTS], layers[n, _STRIDE], layers[n, _BIAS]
    return _matrix(w, layers[n, _WEIGHTS], inputs, row), w[bias : bias + row]


@njit(boundscheck=False)
def _below(x, batch, layers, scratch, n):
    """What a layer's inputs are: the examples, or the outputs of the layer below it."""
    if n == 0:
        return _matrix(x, 0, batch, layers[0, _INPUTS])
    return _matrix(scratch, layers[n - 1, _OUT], batch, layers[n - 1, _STRIDE])


@njit(boundscheck=False)
def forward(w, x, batch, layers, scratch):
    """The logits, (B, stride); the outputs of every layer stay in `scratch`, at its place."""
    last = len(layers) - 1
    for n in range(last + 1):
        inputs, row = layers[n, _INPUTS], layers[n, _STRIDE]
        h_BI = _below(x, batch, layers, scratch, n)
        w_IO, bias_O = _layer(w, layers, n)
        out_BO = _matrix(scratch, layers[n, _OUT], batch, row)
        if row == 1:
            _dots(h_BI, w_IO.reshape(-1), bias_O[0], out_BO.reshape(-1))
        else:
            product(out_BO, h_BI, h_BI.shape[1], 1, w_IO, batch, row, inputs)
            _add_bias(out_BO, bias_O, n < last)
    return _matrix(scratch, layers[last, _OUT], batch, layers[last, _STRIDE])


@njit(fastmath={"reassoc", "contract"}, boundscheck=False)
def _dots(h_BI, w_I, bias, out_B):
    """Outputs of a layer that has one."""
    for b in range(len(out_B)):
        total = bias - bias
        for i in range(len(w_I)):
            total += h_BI[b, i] * w_I[i]
        out_B[b] = total + bias


@njit(boundscheck=False)
def _add_bias(z_BO, bias_O, rectified):
    zero = z_BO.dtype.type(0)
    for b in range(z_BO.shape[0]):
        if rectified:
            for j in range(z_BO.shape[1]):
                value = z_BO[b, j] + bias_O[j]
                # Written so that NaN stays.
                z_BO[b, j] = max(value, zero)
        else:
            for j in range(z_BO.shape[1]):
                z_BO[b, j] += bias_O[j]


@njit(boundscheck=False)
def loss_and_gradient(w, x, y, layers, kind, smoothing, scratch, gradient):
    """The mean loss of a batch; its gradient is written to `gradient`.

    Args:
        w: weights, (P,).
        x: examples, (B·D,) or longer.
        y: labels, (B,).
        layers: see `layer_table`.
        kind: code of the loss.
        smoothing: of the labels.
        scratch: numbers to write to, as many as `layer_table` says.
        gradient: receives it, (P,); the padding between layers is left as it is.
    """
    batch, last = len(y), len(layers) - 1
    z_BC = forward(w, x, batch, layers, scratch)
    widest = layers[:, _STRIDE].max()
    slopes = layers[last, _OUT] + batch * layers[last, _STRIDE]
    spare = slopes + batch * widest
    turned = spare + batch * widest
    slope_BO = _matrix(scratch, slopes, batch, layers[last, _STRIDE])
    loss = loss_and_slope(kind, smoothing, z_BC, y, layers[last, _OUTPUTS], slope_BO)
    for n in range(last, -1, -1):
        inputs, outputs, row = layers[n, _INPUTS], layers[n, _OUTPUTS], layers[n, _STRIDE]
        h_BI = _below(x, batch, layers, scratch, n)
        below = h_BI.shape[1]
        gradient_IO, gradient_O = _layer(gradient, layers, n)
        _sum_examples(slope_BO, gradient_O)
        if row == 1:
            _weighted_sum(h_BI, slope_BO.reshape(-1), gradient_IO.reshape(-1))
        else:
            product(gradient_IO, h_BI, 1, below, slope_BO, inputs, row, batch)
        if n:
            w_IO, _ = _layer(w, layers, n)
            under_BI = _matrix(scratch, spare, batch, below)
            if row == 1:
                _spread(slope_BO.reshape(-1), w_IO.reshape(-1), under_BI)
            else:
                w_OI = _matrix(scratch, turned, outputs, below)
                _transpose(w_IO, inputs, w_OI)
                product(under_BI, slope_BO, row, 1, w_OI, batch, below, outputs)
            _mask(under_BI, h_BI)
            slopes, spare, slope_BO = spare, slopes, under_BI
    return loss


@njit(fastmath={"reassoc", "contract"}, boundscheck=False)
def _sum_examples(slope_BO, out_O):
    """Four examples at a time, so that the sums are written a quarter as often."""
    batch = slope_BO.shape[0]
    for j in range(len(out_O)):
        out_O[j] = 0
    for b in range(0, batch - 3, 4):
        for j in range(len(out_O)):
            out_O[j] += (slope_BO[b, j] + slope_BO[b + 1, j]) + (
                slope_BO[b + 2, j] + slope_BO[b + 3, j]
            )
    for b in range(batch - batch % 4, batch):
        for j in range(len(out_O)):
            out_O[j] += slope_BO[b, j]


@njit(fastmath={"contract"}, boundscheck=False)
def _weighted_sum(h_BI, slope_B, out_I):
    """The gradient of the weights of a layer with one output; four examples at a time."""
    batch = len(slope_B)
    for i in range(len(out_I)):
        out_I[i] = 0
    for b in range(0, batch - 3, 4):
        s0, s1, s2, s3 = slope_B[b], slope_B[b + 1], slope_B[b + 2], slope_B[b + 3]
        for i in range(len(out_I)):
            out_I[i] += (s0 * h_BI[b, i] + s1 * h_BI[b + 1, i]) + (
                s2 * h_BI[b + 2, i] + s3 * h_BI[b + 3, i]
            )
    for b in range(batch - batch % 4, batch):
        for i in range(len(out_I)):
            out_I[i] += slope_B[b] * h_BI[b, i]


@njit(boundscheck=False)
def _spread(slope_B, w_I, out_BI):
    """The slopes below a layer with one output."""
    zero = slope_B.dtype.type(0)
    for b in range(len(slope_B)):
        slope = slope_B[b]
        for i in range(len(w_I)):
            out_BI[b, i] = slope * w_I[i]
        for i in range(len(w_I), out_BI.shape[1]):
            out_BI[b, i] = zero


@njit(boundscheck=False)
def _transpose(w_IO, inputs, out_OI):
    for j in range(out_OI.shape[0]):
        for i in range(inputs):
            out_OI[j, i] = w_IO[i, j]
        for i in range(inputs, out_OI.shape[1]):
            out_OI[j, i] = 0


@njit(boundscheck=False)
def _mask(slope_BI, h_BI):
    """Slopes above a rectifier become those below it."""
    zero = slope_BI.dtype.type(0)
    for b in range(h_BI.shape[0]):
        for i in range(h_BI.shape[1]):
            slope_BI[b, i] = zero if h_BI[b, i] <= zero else slope_BI[b, i]
