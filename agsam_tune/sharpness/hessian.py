"""Gradient of a loss and products with its Hessian, in float64.

In: a loss, which maps a model's flattened weights to a scalar and is twice differentiable
by PyTorch's autograd. Out: its value, its gradient, Hv for any v, or the whole Hessian of
a small model. Must not import the engine, the tasks or the study file.

A Hessian-vector product is a second backward pass, through the gradient (Pearlmutter 1994,
"Fast exact multiplication by the Hessian"). The gradient's graph is built once and kept,
which saves a quarter (convolutions) to a half (MLP) of a product's time; a loss in several
parts has it built anew part by part, so that the graph of one part is all that lies in memory.

Whatever mode the caller is in (no_grad, inference_mode), these functions
differentiate; tensors made in inference mode are copied.

Shapes: P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]
Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class SummedLoss:
    """A loss that is the sum of parts which are differentiated one after another.

    Attributes:
        parts: the losses whose sum it is, each (P,) → scalar.
    """

    parts: tuple[Loss, ...]

    def __call__(self, w_P: Tensor) -> Tensor:
        """The sum of the parts, a scalar."""
        return torch.stack([part(w_P) for part in self.parts]).sum()


@contextmanager
def differentiable() -> Iterator[None]:
    """Autograd on, whatever mode the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def double(x: Tensor) -> Tensor:
    """A copy that autograd takes: outside any graph, and in float64 if it holds real numbers."""
    # Out of inference mode even the copy of a tensor made in it is an ordinary one.
    with torch.inference_mode(False):
        copy = x.detach().clone()
        return copy.to(torch.float64) if copy.is_floating_point() else copy


def value(loss: Loss, w_P: Tensor) -> float:
    """f(w); nan or inf where the loss is."""
    with differentiable(), torch.no_grad():
        return float(loss(double(w_P)))


def gradient(loss: Loss, w_P: Tensor) -> Tensor:
    """∇f(w), (P,) float64."""
    with differentiable():
        leaf_P = double(w_P).requires_grad_()
        g_P = torch.zeros_like(leaf_P)
        for part in _parts(loss):
            g_P += _derivative(part(leaf_P), leaf_P, keep=False)
    return g_P.detach()


def hessian_product(loss: Loss, w_P: Tensor) -> Product:
    """v → ∇²f(w) v, both (P,) float64.

    At a kink (ReLU, max-pool) it is the second derivative of the piece that autograd chooses.
    """
    parts = _parts(loss)

    def slope(part: Loss) -> Tensor:
        return _derivative(part(leaf_P), leaf_P, keep=True)

    with differentiable():
        leaf_P = double(w_P).requires_grad_()
        kept = tuple(slope(part) for part in parts) if len(parts) == 1 else None

    def product(v_P: Tensor) -> Tensor:
        with differentiable():
            hv_P = torch.zeros_like(leaf_P, requires_grad=False)
            for g_P in kept or map(slope, parts):
                hv_P += _derivative(g_P, leaf_P, v_P, keep=kept is not None)
        return hv_P.detach()

    return product


def exact_hessian(loss: Loss, w_P: Tensor) -> Tensor:
    """∇²f(w), (P, P) float64, symmetric: P products, for small models."""
    product = hessian_product(loss, w_P)
    with differentiable():
        units_PP = torch.eye(w_P.numel(), dtype=torch.float64, device=w_P.device)
        hessian_PP = torch.stack([product(unit_P) for unit_P in units_PP])
        return (hessian_PP + hessian_PP.T) / 2


def exact_eigenvalues(loss: Loss, w_P: Tensor) -> Tensor:
    """All eigenvalues of ∇²f(w), (P,) float64, ascending; nan where the Hessian is not finite."""
    hessian_PP = exact_hessian(loss, w_P)
    if not torch.isfinite(hessian_PP).all():
        return torch.full_like(hessian_PP[0], torch.nan)
    eigenvalues_P: Tensor = torch.linalg.eigvalsh(hessian_PP)
    return eigenvalues_P


def _parts(loss: Loss) -> tuple[Loss, ...]:
    return loss.parts if isinstance(loss, SummedLoss) else (loss,)


def _derivative(of: Tensor, by_P: Tensor, weights: Tensor | None = None, *, keep: bool) -> Tensor:
    """The gradient of ⟨of, weights⟩ by `by_P`, (P,); zero where the one does not depend on the
    other, as a constant loss on its weights or the gradient of a linear loss."""
    if not of.requires_grad:
        return torch.zeros_like(by_P, requires_grad=False)
    (slope_P,) = torch.autograd.grad(
        of,
        by_P,
        weights,
        retain_graph=keep,
        create_graph=keep and weights is None,
        materialize_grads=True,
    )
    return slope_P
