"""The loss of a PyTorch module on a fixed batch, as a function of its flattened weights.

In: a module, examples with their labels, and a loss on logits. Out: the loss, in float64.
Must not import the engine, the tasks or the study file.

Shapes: P parameters of one model, N examples, B examples of one part, C outputs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from agsam_tune.sharpness.hessian import Loss, SummedLoss, differentiable, double

# Small parts cost little: on the paper's CNN products took from 16 % less to 11 % more time than
# with one kept graph, what the cache saves making up for graphs that are built anew. The
# gradient's graph holds about three times what the forward pass keeps.
_GRAPH_BYTES = 64 << 20
_GRAPH_FACTOR = 3


def module_loss(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    loss_of_logits: Callable[[Tensor, Tensor], Tensor],
    *,
    chunk: int | None = None,
) -> tuple[SummedLoss, Tensor]:
    """The mean loss of all examples as a function of the weights, and the module's own weights.

    The module is copied, in eval mode and float64, and not touched: batch normalisation takes
    its running statistics, dropout nothing. What its forward pass computes in a
    type of its own choice stays in that type.

    Args:
        module: maps (B, …) examples to (B, C) logits, each example on its own.
        x: examples, (N, …); real numbers become float64.
        y: labels, (N, …), as `loss_of_logits` takes them; real numbers become float64.
        loss_of_logits: (z_BC, y_B) → their *mean* loss, a scalar.
        chunk: examples of a part, ≥ 1; a product with the Hessian keeps the graph of one part
            in memory. None: as many as fit into 64 MiB.

    Returns:
        (loss, w_P): w_P the module's parameters in the order of `parameters()`, (P,) float64;
        shared ones count once, frozen ones (without `requires_grad`) stay as they are.

    Raises:
        ValueError: the loss of all examples is not the mean of its parts; no parameters, no
            examples, a label for each example missing, or a chunk below 1.
    """
    _check(module, x, y, chunk)
    with differentiable():
        module = copy.deepcopy(module).to(torch.float64).eval()
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        module.requires_grad_(False)
        x, y = double(x), double(y)
        shapes = {name: parameter.shape for name, parameter in trained.items()}
        w_P = torch.cat([parameter.flatten() for parameter in trained.values()])

    def logits(w_P: Tensor, x_B: Tensor) -> Tensor:
        pieces = torch.split(w_P, [shape.numel() for shape in shapes.values()])
        named = {n: p.view(s) for (n, s), p in zip(shapes.items(), pieces, strict=True)}
        # The other kernels of attention have no second derivative.
        with sdpa_kernel(SDPBackend.MATH):
            z_BC: Tensor = functional_call(module, named, (x_B,))
        return z_BC

    def part(x_B: Tensor, y_B: Tensor) -> Loss:
        share = len(x_B) / len(x)
        return lambda w_P: share * loss_of_logits(logits(w_P, x_B), y_B)

    def kept(examples: int) -> Tensor:
        w = w_P.clone().requires_grad_()
        return loss_of_logits(logits(w, x[:examples]), y[:examples])

    if chunk is None:
        chunk = _fitting(kept, len(x))
    pairs = list(zip(torch.split(x, chunk), torch.split(y, chunk), strict=True))
    loss = SummedLoss(tuple(part(x_B, y_B) for x_B, y_B in pairs))
    if len(pairs) > 1:
        with torch.inference_mode(False), torch.no_grad():
            z_NC = torch.cat([logits(w_P, x_B) for x_B, _ in pairs])
            _check_mean(float(loss_of_logits(z_NC, y)), float(loss(w_P)))
    return loss, w_P


def _check_mean(whole: float, parts: float) -> None:
    """Raise ValueError where a loss is no mean: then that of the parts is another one."""
    if math.isfinite(whole) and not math.isclose(whole, parts, rel_tol=1e-6, abs_tol=1e-12):
        msg = (
            f"loss_of_logits gives {whole:.6g} for all examples and {parts:.6g} as the mean of "
            "its parts; allowed: a plain mean over the examples, or a chunk that holds all"
        )
        raise ValueError(msg)


def _fitting(forward: Callable[[int], Tensor], most: int) -> int:
    """How many examples' graphs fit into memory, from what the graphs of one and of two keep."""
    if most < 2:
        return most
    each = (_kept_bytes(forward, 2) - _kept_bytes(forward, 1)) * _GRAPH_FACTOR
    return min(max(_GRAPH_BYTES // max(each, 1), 1), most)


def _kept_bytes(forward: Callable[[int], Tensor], examples: int) -> int:
    """Bytes that a forward pass of some examples keeps for the backward pass."""
    kept = 0

    def count(x: Tensor) -> Tensor:
        nonlocal kept
        kept += x.numel() * x.element_size()
        return x

    with differentiable(), torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
        forward(examples)
    return kept


def _check(module: nn.Module, x: Tensor, y: Tensor, chunk: int | None) -> None:
    if not any(parameter.requires_grad for parameter in module.parameters()):
        msg = f"{type(module).__name__} has no parameters to train; allowed: one or more"
        raise ValueError(msg)
    if not len(x) or len(x) != len(y):
        msg = f"found {len(x)} examples and {len(y)} labels, allowed: one or more, one each"
        raise ValueError(msg)
    if chunk is not None and chunk < 1:
        msg = f"found chunk = {chunk}, allowed: 1 or more examples"
        raise ValueError(msg)
