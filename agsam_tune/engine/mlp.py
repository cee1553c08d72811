"""Multilayer perceptrons as the rows of a matrix: loss and gradient of K models at once.

In: a (K, P) matrix of weights and a batch for each row. Out: losses and gradients. The
backward pass is written by hand, which is several times faster than recording a graph for
matrices this small. Must not import Ray, Optuna or the study file.

Shapes: K rows (models), P columns of one row, B examples of a batch, D inputs, C outputs,
I and O the inputs and outputs of a layer, N examples of a split.

A row's bits depend on that row alone, not on K or on its place in the pack. Products are
batched matrix products, one a row, and every matrix of every row begins at the same
alignment in memory, since kernels begin and end otherwise at other alignments. Rows are
padded to a multiple of `LANES` columns, so that no vectorised loop over a (K, P) matrix has
a remainder, which is computed with other instructions (no fused multiply-add) and would
fall on other rows in another pack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agsam_tune.engine.blueprint import Arrays, glorot
from agsam_tune.engine.layout import padded_to_lanes, row_aligned
from agsam_tune.engine.losses import Loss
from agsam_tune.optimizers.kinds import Kind
from agsam_tune.tasks.task import Mlp

_CROSS_ENTROPY = Loss()
# Matrices whose views are kept: weights, the next ones, those ahead, two gradients.
_KEPT_MATRICES = 5


class MlpRows:
    """K perceptrons of one shape; see `PackModel`.

    Each layer's weights and biases are padded to whole vector registers.

    Args:
        model: the widths.
        loss: what is trained on.
        initial: initial weights and biases of each layer in PyTorch's order and shapes;
            without it, Glorot-uniform weights and zero biases.
    """

    records_graph = False
    stochastic = False

    def __init__(
        self,
        model: Mlp,
        loss: Loss = _CROSS_ENTROPY,
        initial: Callable[[np.random.Generator], Arrays] | None = None,
    ) -> None:
        self._layers = model.layers
        self._loss = loss
        self._initial = initial or (lambda generator: glorot(model, generator))
        self.parameters = model.parameters
        self.kinds: tuple[Kind, ...] = ("weight", "bias") * len(model.layers)
        self._spans = tuple(_spans(model.layers))
        self.width = self._spans[-1][1] + padded_to_lanes(model.widths[-1])
        self._buffers: dict[tuple[str, int], Tensor] = {}
        self._views: dict[tuple[int, torch.Size], list[tuple[Tensor, Tensor]]] = {}

    def initial(self, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        """One row of initial weights, (P,)."""
        row = np.zeros(self.width)
        arrays = self._initial(generator)
        for layer, (start, bias) in enumerate(self._spans):
            weights_OI, bias_O = arrays[2 * layer : 2 * layer + 2]
            row[start : start + weights_OI.size] = weights_OI.T.reshape(-1)
            row[bias : bias + bias_O.size] = bias_O
        return row

    def flat(self, x_N: Tensor) -> Tensor:
        """Examples as rows."""
        return x_N.reshape(len(x_N), -1)

    def unpacked(self, w_KP: Tensor) -> list[Tensor]:
        """Weights (K, O, I) and biases (K, O) of each layer, as PyTorch has them."""
        parts = []
        for number in range(len(self._layers)):
            weights_KIO, bias_K1O = self.layer(w_KP, number)
            parts += [weights_KIO.transpose(1, 2), bias_K1O[:, 0]]
        return parts

    def loss_and_gradient(
        self,
        w_KP: Tensor,
        x_KBD: Tensor,
        y_KB: Tensor,
        out_KP: Tensor,
        noise_K: list[int] | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """See `PackModel`."""
        activations = [x_KBD, *self._hidden(w_KP, x_KBD)]
        z_KBC = self._output(w_KP, activations[-1])
        loss_K, slope_KBC = self._loss.value_and_slope(z_KBC, y_KB)
        delta_KBO = self._buffer(("slope", 0), tuple(slope_KBC.shape), w_KP).copy_(slope_KBC)
        for layer in range(len(self._layers) - 1, -1, -1):
            h_KBI = activations[layer]
            self._write_gradient(out_KP, layer, h_KBI, delta_KBO)
            if layer:
                delta_KBO = self._backward(w_KP, layer, h_KBI, delta_KBO)
        return loss_K, out_KP

    def logits(self, w_KP: Tensor, x_ND: Tensor) -> Tensor:
        """Outputs of every row on the same examples, (K, N, C), until the next call."""
        x_KND = x_ND.expand(len(w_KP), *x_ND.shape)
        *_, last_KNI = (x_KND, *self._hidden(w_KP, x_KND))
        return self._output(w_KP, last_KNI)

    def _hidden(self, w_KP: Tensor, x_KBD: Tensor) -> Iterator[Tensor]:
        h = x_KBD
        for layer in range(len(self._layers) - 1):
            weights_KIO, bias_K1O = self.layer(w_KP, layer)
            shape = (len(w_KP), h.shape[1], weights_KIO.shape[2])
            out = self._buffer(("hidden", layer), shape, w_KP)
            h = torch.baddbmm(bias_K1O, h, weights_KIO, out=out).clamp_min_(0)
            yield h

    def _output(self, w_KP: Tensor, h_KBI: Tensor) -> Tensor:
        weights_KIO, bias_K1O = self.layer(w_KP, len(self._layers) - 1)
        if _is_column(weights_KIO):
            return (h_KBI * weights_KIO.transpose(1, 2)).sum(2, keepdim=True) + bias_K1O
        shape = (*h_KBI.shape[:2], weights_KIO.shape[2])
        return torch.baddbmm(
            bias_K1O, h_KBI, weights_KIO, out=self._buffer(("output", 0), shape, w_KP)
        )

    def _write_gradient(self, out_KP: Tensor, layer: int, h_KBI: Tensor, delta_KBO: Tensor) -> None:
        slope_KIO, slope_K1O = self.layer(out_KP, layer)
        torch.sum(delta_KBO, 1, keepdim=True, out=slope_K1O)
        if _is_column(slope_KIO):
            slope_KIO.copy_((h_KBI * delta_KBO).sum(1).unsqueeze(2))
            return
        # A product is written faster to a contiguous buffer and copied than into a view.
        product = self._buffer(("product", layer), slope_KIO.shape, out_KP)
        slope_KIO.copy_(torch.bmm(h_KBI.transpose(1, 2), delta_KBO, out=product))

    def _backward(self, w_KP: Tensor, layer: int, h_KBI: Tensor, delta_KBO: Tensor) -> Tensor:
        weights_KIO, _ = self.layer(w_KP, layer)
        # The slope of the layer above is needed until this one is there, but no longer.
        out = self._buffer((f"delta {layer % 2}", h_KBI.shape[2]), h_KBI.shape, w_KP)
        if _is_column(weights_KIO):
            torch.mul(delta_KBO, weights_KIO.transpose(1, 2), out=out)
        elif weights_KIO.shape[1] == 1:
            torch.sum(delta_KBO * weights_KIO, 2, keepdim=True, out=out)
        else:
            torch.bmm(delta_KBO, weights_KIO.transpose(1, 2), out=out)
        torch.ops.aten.threshold_backward.grad_input(out, h_KBI, 0, grad_input=out)
        return out

    def layer(self, matrix_KP: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Views of a layer's weights, (K, I, O), and biases, (K, 1, O).

        They are kept, for a step asks for forty of them; while they are, the memory they look
        at is nobody else's.
        """
        key = matrix_KP.data_ptr(), matrix_KP.shape
        views = self._views.get(key)
        if views is None:
            if len(self._views) == _KEPT_MATRICES:
                self._views.clear()
            views = self._views[key] = [
                self._view(matrix_KP, number) for number in range(len(self._layers))
            ]
        return views[layer]

    def _view(self, matrix_KP: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        (inputs, outputs), (start, bias) = self._layers[layer], self._spans[layer]
        weights = matrix_KP[:, start : start + inputs * outputs].view(-1, inputs, outputs)
        return weights, matrix_KP[:, bias : bias + outputs].unsqueeze(1)

    def _buffer(self, use: tuple[str, int], shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Aligned scratch that is kept from step to step; each use has its own."""
        buffer = self._buffers.get(use)
        if buffer is None or buffer.shape != shape:
            buffer = self._buffers[use] = row_aligned(shape, like)
        return buffer


def _is_column(weights_KIO: Tensor) -> bool:
    """Whether the layer has one output. Products with a single column or row are sums here:
    as matrix products they are slower, and rounded otherwise alone than in a pack."""
    return weights_KIO.shape[2] == 1


def _spans(layers: tuple[tuple[int, int], ...]) -> Iterator[tuple[int, int]]:
    """(start of the weights, start of the bias) of each layer within a row."""
    start = 0
    for inputs, outputs in layers:
        bias = start + padded_to_lanes(inputs * outputs)
        yield start, bias
        start = bias + padded_to_lanes(outputs)
