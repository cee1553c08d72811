"""Narrow perceptrons as the rows of a matrix, computed by compiled loops; see `PackModel`.

In: a (K, P) matrix of weights and a batch for each row. Out: losses, gradients, and whole
steps of the optimizers that are known here. Must not import Ray, Optuna or the study file.

Shapes: K rows (models), P columns of one row, B examples of a batch, D inputs, N examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agsam_tune.engine.blueprint import Arrays
from agsam_tune.engine.compiled.losses import CODES
from agsam_tune.engine.compiled.perceptron import layer_table, stride
from agsam_tune.engine.compiled.rules import ASCENTS, DIRECTIONS, ONE_PASS
from agsam_tune.engine.compiled.step import gradients, logits, sgd_step
from agsam_tune.engine.losses import Loss
from agsam_tune.engine.mlp import MlpRows
from agsam_tune.optimizers import Rule, rules
from agsam_tune.study import Training
from agsam_tune.tasks.task import Mlp

_Array = npt.NDArray[Any]
_CROSS_ENTROPY = Loss()
_OF_SGD = ("lr", "momentum", "weight_decay")
# The hyperparameter of a direction.
_WEIGHTS = {"decomposed": "alpha", "penalised": "lam"}


class CompiledMlpRows(MlpRows):
    """K perceptrons of one shape, each computed alone from its weights to its direction.

    Besides what any model of a pack does, it takes whole steps: see `sgd_step`.
    """

    def __init__(
        self,
        model: Mlp,
        loss: Loss = _CROSS_ENTROPY,
        initial: Callable[[np.random.Generator], Arrays] | None = None,
    ) -> None:
        super().__init__(model, loss, initial)
        self._tables: dict[tuple[int, torch.dtype], tuple[_Array, _Array]] = {}

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
            *self._loss_and_table(y_KB.shape[1], w_KP),
            out_KP.numpy(),
            f_K.numpy(),
        )
        return f_K, out_KP

    def logits(self, w_KP: Tensor, x_ND: Tensor) -> Tensor:
        """See `PackModel`."""
        z_KNC = w_KP.new_empty(len(w_KP), len(x_ND), self._layers[-1][1])
        layers, scratch = self._table(len(x_ND), x_ND)
        logits(w_KP.numpy(), x_ND.reshape(-1).numpy(), len(x_ND), layers, scratch, z_KNC.numpy())
        return z_KNC

    def sgd_step(
        self,
        rule: Rule,
        split: tuple[Tensor, Tensor],
        index_KB: Tensor,
        columns: Mapping[str, Tensor],
        *,
        nesterov: bool,
        alive_K: Tensor,
        matrices: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A step of each row that is alive: losses at w and at w + Δw and the radius, (K,).

        What is returned of the other rows means nothing. With one gradient a step, the losses
        are the same and the radius is zero.

        Args:
            rule: an optimizer that `takes_sgd_step` knows.
            split: the training split, (N, D) examples and (N,) labels.
            index_KB: the examples of each row's batch.
            columns: hyperparameters and lr, momentum and weight_decay, (K, 1).
            nesterov: whether momentum is Nesterov's.
            alive_K: rows to compute; rows that become non-finite are struck out.
            matrices: the weights; and what receives g, gp, the running means of SGD, which are
                brought up to date, and the weights after the step.
        """
        w_KP, *written = matrices
        x_ND, y_N = split
        f_K, fp_K, radius_K = w_KP.new_zeros(3, len(w_KP)).unbind()
        zeros = w_KP.new_zeros(len(w_KP), 1)
        names = ("rho", "gamma", _WEIGHTS.get(rule.direction.__name__, ""), *_OF_SGD)
        settings_KS = torch.cat([columns.get(name, zeros) for name in names], 1)
        batch = index_KB.shape[1]
        sgd_step(
            w_KP.numpy(),
            x_ND.numpy(),
            y_N.numpy(),
            index_KB.numpy(),
            *self._loss_and_table(batch, w_KP),
            self._buffer(("examples", 0), (1, batch * x_ND.shape[1]), w_KP)[0].numpy(),
            np.empty(batch, dtype=np.int64),
            self._buffer(("direction", 0), (1, self.width), w_KP)[0].numpy(),
            ONE_PASS if rule.ascent is None else _code(ASCENTS, rule.ascent),
            _code(DIRECTIONS, rule.direction),
            settings_KS.numpy(),
            nesterov,
            alive_K.numpy(),
            *(tensor.numpy() for tensor in (*written, f_K, fp_K, radius_K)),
        )
        return f_K, fp_K, radius_K

    def compile(self, dtype: torch.dtype) -> None:
        """Compile what a training calls, where no earlier process of this machine has."""
        w_KP = torch.zeros(1, self.width, dtype=dtype)
        x_ND, y_N = w_KP.new_zeros(1, self._layers[0][0]), torch.zeros(1, dtype=torch.int64)
        self.sgd_step(
            rules.rule("sgd"),
            (x_ND, y_N),
            torch.zeros(1, 1, dtype=torch.int64),
            {},
            nesterov=False,
            alive_K=torch.ones(1, dtype=torch.bool),
            matrices=[w_KP, *(torch.zeros_like(w_KP) for _ in range(4))],
        )
        self.logits(w_KP, x_ND)

    def _loss_and_table(self, examples: int, like: Tensor) -> tuple[Any, ...]:
        layers, scratch = self._table(examples, like)
        return layers, CODES[self._loss.kind], float(self._loss.smoothing), scratch

    def _table(self, examples: int, like: Tensor) -> tuple[_Array, _Array]:
        """The table of layers for batches of so many examples, and scratch."""
        found = self._tables.get((examples, like.dtype))
        if found is None:
            layers, numbers = layer_table(self._layers, self._spans, examples)
            found = layers, like.new_empty(numbers).numpy()
            self._tables[examples, like.dtype] = found
        return found

    def _stride(self, outputs: int, *, last: bool) -> int:
        return stride(outputs, last=last)


def takes_sgd_step(rule: Rule, training: Training) -> bool:
    """Whether `CompiledMlpRows.sgd_step` computes the optimizer in this recipe."""
    plain = training.base_optimizer == "sgd" and training.max_grad_norm is None
    ascent = rule.ascent is None or _code(ASCENTS, rule.ascent) is not None
    return plain and ascent and _code(DIRECTIONS, rule.direction) is not None


def _code(codes: Mapping[str, int], function: Callable[..., Tensor] | None) -> int | None:
    """The code of an ascent step or a direction, if it is one of this project's."""
    name = getattr(function, "__name__", "")
    return codes.get(name) if getattr(rules, name, None) is function else None
