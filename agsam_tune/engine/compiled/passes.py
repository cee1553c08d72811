"""Forward and backward pass of one row: its convolutions, if any, then its dense layers.

In: a row of weights and a batch. Out: logits, or a loss and a gradient. Must not import
PyTorch, Ray or Optuna.

Shapes: P columns of a row, B examples of a batch, D inputs, I and O the inputs and outputs
of a dense layer as they lie. `tables` says where everything is.
"""

from __future__ import annotations

from numba import njit

from agsam_tune.engine.compiled.convolution import add_gradients, features
from agsam_tune.engine.compiled.losses import loss_and_slope
from agsam_tune.engine.compiled.tile import product

_FEATURES, _FEATURE_SLOPES, _SLOPES, _SPARE, _TURNED = range(5)


@njit(boundscheck=False)
def _matrix(numbers, start, rows, columns):
    """A part of a row or of the scratch as a matrix.

    Loops over it are vectorised; not those over offsets, which might be negative to Numba.
    """
    return numbers[start : start + rows * columns].reshape(rows, columns)


@njit(boundscheck=False)
def _layer(w, layer):
    """Weights (I, O) and bias (O,) of a layer."""
    weights = _matrix(w, layer.weights, layer.inputs, layer.stride)
    return weights, w[layer.bias : layer.bias + layer.stride]


@njit(boundscheck=False)
def _below(x, batch, tables, n):
    """A layer's inputs: the examples, their features, or the outputs of the layer below it."""
    dense, convolutions, _, scratch, starts = tables
    if n:
        return _matrix(scratch, dense[n - 1].out, batch, dense[n - 1].stride)
    if len(convolutions):
        return _matrix(scratch, starts[_FEATURES], batch, dense[0].inputs)
    return _matrix(x, 0, batch, dense[0].inputs)


@njit(boundscheck=False)
def forward(w, x, batch, tables):
    """The logits, (B, O); the outputs of every layer stay in the scratch, at its place."""
    dense, convolutions, places, scratch, _ = tables
    if len(convolutions):
        features(w, x, batch, convolutions, places, scratch)
    last = len(dense) - 1
    for n in range(last + 1):
        inputs, row = dense[n].inputs, dense[n].stride
        h_BI = _below(x, batch, tables, n)
        w_IO, bias_O = _layer(w, dense[n])
        out_BO = _matrix(scratch, dense[n].out, batch, row)
        below = h_BI.shape[1]
        if row == 1:
            _dots(h_BI, w_IO.reshape(-1), bias_O[0], out_BO.reshape(-1))
        else:
            product(out_BO, row, h_BI, below, 1, w_IO, row, batch, row, inputs)
            _add_bias(out_BO, bias_O, n < last)
    return _matrix(scratch, dense[last].out, batch, dense[last].stride)


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
                z_BO[b, j] = zero if value < zero else value  # noqa: FURB136
        else:
            for j in range(z_BO.shape[1]):
                z_BO[b, j] += bias_O[j]


@njit(boundscheck=False)
def loss_and_gradient(w, x, y, tables, kind, smoothing, gradient):
    """The mean loss of a batch; its gradient is written to `gradient`.

    Args:
        w: weights, (P,).
        x: examples, (B·D,) or longer.
        y: labels, (B,).
        tables: see `tables`.
        kind: code of the loss.
        smoothing: of the labels.
        gradient: receives it, (P,); the padding between layers is left as it is.
    """
    dense, convolutions, places, scratch, starts = tables
    batch, last = len(y), len(dense) - 1
    z_BC = forward(w, x, batch, tables)
    slopes, spare = starts[_SLOPES], starts[_SPARE]
    slope_BO = _matrix(scratch, slopes, batch, dense[last].stride)
    loss = loss_and_slope(kind, smoothing, z_BC, y, dense[last].outputs, slope_BO)
    for n in range(last, -1, -1):
        inputs, outputs, row = dense[n].inputs, dense[n].outputs, dense[n].stride
        h_BI = _below(x, batch, tables, n)
        below = h_BI.shape[1]
        gradient_IO, gradient_O = _layer(gradient, dense[n])
        _sum_examples(slope_BO, gradient_O)
        if row == 1:
            _weighted_sum(h_BI, slope_BO.reshape(-1), gradient_IO.reshape(-1))
        else:
            product(gradient_IO, row, h_BI, 1, below, slope_BO, row, inputs, row, batch)
        if n or len(convolutions):
            w_IO, _ = _layer(w, dense[n])
            under_BI = _matrix(scratch, spare if n else starts[_FEATURE_SLOPES], batch, below)
            if row == 1:
                _spread(slope_BO.reshape(-1), w_IO.reshape(-1), under_BI)
            else:
                w_OI = _matrix(scratch, starts[_TURNED], outputs, below)
                _transpose(w_IO, inputs, w_OI)
                product(under_BI, below, slope_BO, row, 1, w_OI, below, batch, below, outputs)
            if n:
                _mask(under_BI, h_BI)
                slopes, spare, slope_BO = spare, slopes, under_BI
    if len(convolutions):
        add_gradients(w, batch, convolutions, places, scratch, gradient)
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
