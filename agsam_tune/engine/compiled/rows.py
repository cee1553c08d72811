"""A chain of layers as the rows of a matrix, computed by compiled loops; see `PackModel`.

In: a (K, P) matrix of weights and a batch for each row. Out: losses, gradients, and whole
steps of the optimizers that are known here. Must not import Ray, Optuna or the study file.

Shapes: K rows (models), P columns of one row, B examples of a batch, D numbers of one,
N examples, C outputs; of a layer I inputs, O outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agsam_tune.engine.blueprint import Arrays
from agsam_tune.engine.chain import Chain
from agsam_tune.engine.compiled.losses import CODES
from agsam_tune.engine.compiled.rules import ASCENTS, DIRECTIONS, ONE_PASS
from agsam_tune.engine.compiled.step import gradients, logits, sgd_step
from agsam_tune.engine.compiled.tables import Block, blocks, tables
from agsam_tune.engine.losses import Loss
from agsam_tune.optimizers import Rule, rules
from agsam_tune.optimizers.kinds import Kind
from agsam_tune.study import Training

_OF_SGD = ("lr", "momentum", "weight_decay")
# The hyperparameter of a direction.
_WEIGHTS = {"decomposed": "alpha", "penalised": "lam"}


class CompiledRows:
    """K chains of one shape, each computed alone from its weights to the weights after a step.

    Besides what any model of a pack does, it takes whole steps: see `sgd_step`.

    Args:
        chain: the layers.
        loss: what is trained on.
        initial: initial weights and biases of each layer in PyTorch's order and shapes.
    """

    records_graph = False
    stochastic = False

    def __init__(
        self, chain: Chain, loss: Loss, initial: Callable[[np.random.Generator], Arrays]
    ) -> None:
        self._chain = chain
        self._blocks = blocks(chain)
        self._loss = loss
        self._initial = initial
        self._tables: dict[tuple[int, torch.dtype], tuple[npt.NDArray[Any], ...]] = {}
        self.kinds: tuple[Kind, ...] = ("weight", "bias") * len(self._blocks)
        self.width = self._blocks[-1].stop
        self.parameters = sum(
            math.prod((*block.shape[:2], *block.count)) + block.count[1] for block in self._blocks
        )

    def initial(self, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        """One row of initial weights, (P,)."""
        row_1P = torch.zeros(1, self.width, dtype=torch.float64)
        arrays = iter(self._initial(generator))
        for weights_K, bias_KO in map(self._view, [row_1P] * len(self._blocks), self._blocks):
            weights_K[0] = torch.from_numpy(next(arrays)).view(weights_K.shape[1:])
            bias_KO[0] = torch.from_numpy(next(arrays))
        first: npt.NDArray[np.float64] = row_1P[0].numpy()
        return first

    def flat(self, x_N: Tensor) -> Tensor:
        """Examples as rows, images channels last."""
        if self._chain.convolutions:
            x_N = x_N.permute(0, 2, 3, 1)
        return x_N.reshape(len(x_N), -1)

    def unpacked(self, w_KP: Tensor) -> list[Tensor]:
        """The rows as the module's parameters, each (K, *shape)."""
        parts = []
        for number, block in enumerate(self._blocks):
            weights_K, bias_KO = self._view(w_KP, block)
            if number >= len(self._chain.convolutions):
                weights_K = weights_K.flatten(2)
            parts += [weights_K, bias_KO]
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
        f_K = w_KP.new_empty(len(w_KP))
        row = x_KBD.stride(0)
        gradients(
            w_KP.numpy(),
            x_KBD.as_strided((len(x_KBD), row), (row, 1)).numpy(),
            y_KB.numpy(),
            *self._table_and_loss(y_KB.shape[1], w_KP),
            out_KP.numpy(),
            f_K.numpy(),
        )
        return f_K, out_KP

    def logits(self, w_KP: Tensor, x_ND: Tensor) -> Tensor:
        """See `PackModel`."""
        place_KN = torch.arange(len(x_ND)).expand(len(w_KP), -1).contiguous()
        return self.logits_at(w_KP, x_ND.contiguous(), place_KN)

    def logits_at(self, w_KP: Tensor, x_MD: Tensor, place_KN: Tensor) -> Tensor:
        """Outputs of every row on examples of its own, (K, N, C).

        Args:
            w_KP: weights.
            x_MD: examples, as `flat` orders them.
            place_KN: which of them each row computes.
        """
        rows, examples = place_KN.shape
        z_KNC = w_KP.new_empty(rows, examples, self._chain.dense[-1].outputs)
        found, *_ = self._table_and_loss(examples, w_KP)
        logits(
            w_KP.numpy(),
            x_MD.numpy(),
            place_KN.numpy(),
            w_KP.new_empty(examples * x_MD.shape[1]).numpy(),
            found,
            z_KNC.numpy(),
        )
        return z_KNC

    def sgd_step(
        self,
        rule: Rule,
        split: tuple[Tensor, Tensor],
        batch: tuple[Tensor, Tensor],
        columns: Mapping[str, Tensor],
        *,
        nesterov: bool,
        exact: bool,
        alive_K: Tensor,
        matrices: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A step of each row that is alive: losses at w and at w + Δw and the radius, (K,).

        What is returned of the other rows means nothing. With one gradient a step, the losses
        are the same and the radius is zero.

        Args:
            rule: an optimizer that `takes_sgd_step` knows.
            split: the training splits, (M, D) examples and their labels.
            batch: where in both those of each row's batch are, (K, B).
            columns: hyperparameters and lr, momentum and weight_decay, (K, 1).
            nesterov: whether momentum is Nesterov's.
            exact: whether ascent steps have exactly the length rho.
            alive_K: rows to compute; rows that become non-finite are struck out.
            matrices: the weights; and what receives g, gp, the running means of SGD, which are
                brought up to date, and the weights after the step.
        """
        w_KP, *written = matrices
        (x_MD, y_M), (place_KB, label_KB) = split, batch
        f_K, fp_K, radius_K = w_KP.new_zeros(3, len(w_KP)).unbind()
        zeros = w_KP.new_zeros(len(w_KP), 1)
        names = ("rho", "gamma", _WEIGHTS.get(rule.direction.__name__, ""), *_OF_SGD)
        settings_KS = torch.cat([columns.get(name, zeros) for name in names], 1)
        size = place_KB.shape[1]
        sgd_step(
            w_KP.numpy(),
            x_MD.numpy(),
            y_M.numpy(),
            place_KB.numpy(),
            label_KB.numpy(),
            *self._table_and_loss(size, w_KP),
            w_KP.new_empty(size * x_MD.shape[1]).numpy(),
            np.empty(size, dtype=np.int64),
            w_KP.new_empty(self.width).numpy(),
            ONE_PASS if rule.ascent is None else _code(ASCENTS, rule.ascent),
            _code(DIRECTIONS, rule.direction),
            settings_KS.numpy(),
            nesterov,
            exact,
            alive_K.numpy(),
            *(tensor.numpy() for tensor in (*written, f_K, fp_K, radius_K)),
        )
        return f_K, fp_K, radius_K

    def compile(self, dtype: torch.dtype) -> None:
        """Compile what a training calls, where no earlier process of this machine has."""
        w_KP = torch.zeros(1, self.width, dtype=dtype)
        inputs = self._chain.dense[0].inputs
        if self._chain.convolutions:
            first = self._chain.convolutions[0]
            inputs = first.channels * first.height * first.width
        x_ND, y_N = w_KP.new_zeros(1, inputs), torch.zeros(1, dtype=torch.int64)
        self.sgd_step(
            rules.rule("sgd"),
            (x_ND, y_N),
            (torch.zeros(1, 1, dtype=torch.int64),) * 2,
            {},
            nesterov=False,
            exact=False,
            alive_K=torch.ones(1, dtype=torch.bool),
            matrices=[w_KP, *(torch.zeros_like(w_KP) for _ in range(4))],
        )
        self.logits(w_KP, x_ND)

    def _view(self, matrix_KP: Tensor, block: Block) -> tuple[Tensor, Tensor]:
        """Views of a layer's weights, (K, O, I, y, x), and biases, (K, O)."""
        channels, outputs = block.count
        weights = matrix_KP[:, block.weights : block.weights + math.prod(block.shape)]
        weights = weights.view(-1, *block.shape)[..., :channels, :outputs]
        bias = matrix_KP[:, block.bias : block.bias + outputs]
        return weights.permute(0, 4, 3, 1, 2), bias

    def _table_and_loss(self, examples: int, like: Tensor) -> tuple[Any, ...]:
        """What the passes of so many examples need, scratch among it, and the loss."""
        found = self._tables.get((examples, like.dtype))
        if found is None:
            found = tables(self._chain, examples, like.new_empty(0).numpy().dtype)
            self._tables[examples, like.dtype] = found
        return found, CODES[self._loss.kind], float(self._loss.smoothing)


def takes_sgd_step(rule: Rule, training: Training) -> bool:
    """Whether `CompiledRows.sgd_step` computes the optimizer in this recipe."""
    if training.base_optimizer != "sgd" or training.max_grad_norm is not None:
        return False
    if rule.ascent is None:
        return rule.direction is rules.plain
    return None not in (_code(ASCENTS, rule.ascent), _code(DIRECTIONS, rule.direction))


def _code(codes: Mapping[str, int], function: Callable[..., Tensor] | None) -> int | None:
    """The code of an ascent step or a direction, if it is one of this project's."""
    name = getattr(function, "__name__", "")
    return codes.get(name) if getattr(rules, name, None) is function else None
