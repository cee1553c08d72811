"""Parameters of all groups as one row, as the rules need them, and back.

In: parameter groups after a backward pass. Out: (1, P) matrices, hyperparameters as columns
that broadcast against them, and views of a row in the parameters' shapes. Must not import
anything of this package.

Shapes: P entries of all parameters that have a gradient, in the order of the groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

# In one call for all tensors; the public functions call Python for each.
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

ParameterGroup = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """The parameters that have a gradient.

    Attributes:
        parameters: in the order of the groups.
        gradients: one for each parameter.
        groups: the groups that they are in, each with its number of entries.
        dtype: of the rows; the widest of the parameters', and no less than float32.
        device: of the rows; the first parameter's.
        uniform: whether dtype and device are those of every parameter and gradient.
    """

    parameters: list[Tensor]
    gradients: list[Tensor]
    groups: list[tuple[ParameterGroup, int]]
    dtype: torch.dtype
    device: torch.device
    uniform: bool

    def is_of(self, parameters: Sequence[Tensor]) -> bool:
        """Whether the row is that of these very parameters, in this order."""
        return len(parameters) == len(self.parameters) and all(
            a is b for a, b in zip(parameters, self.parameters, strict=True)
        )

    def row(self, tensors: Sequence[Tensor]) -> Tensor:
        """Tensors of the parameters' shapes as a new row, (1, P)."""
        if self.uniform and len(tensors) > 1:  # of one tensor it would be a view
            row_P: Tensor = _flatten_dense_tensors(tensors)  # type: ignore[no-untyped-call]
            return row_P.unsqueeze(0)
        moved = [tensor.reshape(-1).to(self.device, self.dtype) for tensor in tensors]
        return torch.cat(moved).unsqueeze(0)

    def pieces(self, row_1P: Tensor) -> tuple[Tensor, ...]:
        """Views of a row in the parameters' shapes, on the parameters' devices."""
        views: tuple[Tensor, ...] = _unflatten_dense_tensors(  # type: ignore[no-untyped-call]
            row_1P[0], self.parameters
        )
        if self.uniform:
            return views
        return tuple(view.to(p.device) for view, p in zip(views, self.parameters, strict=True))

    def columns(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Each hyperparameter: (1, 1) where the groups agree, else (1, P), a value an entry."""
        return {name: self._column(name) for name in names}

    def _column(self, name: str) -> Tensor:
        values = [float(group[name]) for group, _ in self.groups]
        if values.count(values[0]) == len(values):
            return torch.full((1, 1), values[0], dtype=self.dtype, device=self.device)
        parts = [
            torch.full((1, entries), value, dtype=self.dtype, device=self.device)
            for value, (_, entries) in zip(values, self.groups, strict=True)
        ]
        return torch.cat(parts, dim=1)


def flatten(groups: Iterable[ParameterGroup], *, owner: str) -> Flat | None:
    """The parameters that have a gradient now; None where no entry has one.

    Raises TypeError, naming the optimizer `owner`, where a gradient is sparse.
    """
    parameters: list[Tensor] = []
    gradients: list[Tensor] = []
    sizes: list[tuple[ParameterGroup, int]] = []
    for group in groups:
        before = len(parameters)
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is None or parameter.numel() == 0:
                continue
            if gradient.layout is not torch.strided:
                raise TypeError(_sparse(owner, parameter, gradient))
            parameters.append(parameter)
            gradients.append(gradient)
        if len(parameters) > before:
            sizes.append((group, sum(map(torch.numel, parameters[before:]))))
    if not sizes:
        return None
    kinds = {(tensor.dtype, tensor.device) for tensor in (*parameters, *gradients)}
    dtype = reduce(torch.promote_types, (kind for kind, _ in kinds), torch.float32)
    device = parameters[0].device
    return Flat(
        parameters=parameters,
        gradients=gradients,
        groups=sizes,
        dtype=dtype,
        device=device,
        uniform=kinds == {(dtype, device)},
    )


def carry_over(row_1P: Tensor, source: Flat, target: Flat) -> Tensor:
    """The row of `source` in the layout of `target`; 0 for parameters that `source` lacks."""
    if target.is_of(source.parameters):
        return row_1P
    known: Mapping[int, Tensor] = {
        id(parameter): piece
        for parameter, piece in zip(source.parameters, source.pieces(row_1P), strict=True)
    }
    return target.row([known.get(id(p), torch.zeros_like(p)) for p in target.parameters])


def _sparse(owner: str, parameter: Tensor, gradient: Tensor) -> str:
    shape = "×".join(map(str, parameter.shape))
    entries = math.prod(parameter.shape)
    return (
        f"{owner} needs dense gradients: a parameter of shape {shape} ({entries} entries) has a "
        f"gradient of layout {gradient.layout}; use nn.Embedding(…, sparse=False), or leave the "
        "parameter to an optimizer of its own"
    )
