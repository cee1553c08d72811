"""What a module does with examples, looked at before anything is trained.

In: a module and a few examples. Out: whether its training passes are random, or a
`ModelError` that says why it cannot be trained. Must not import Ray, Optuna or the study
file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.overrides import TorchFunctionMode


class ModelError(ValueError):
    """The module cannot be trained as the rows of a matrix."""


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that are trained; frozen ones stay as they were built first."""
    return [p for p in module.parameters() if p.requires_grad]


def raised(error: Exception) -> str:
    """The kind of an exception and its message, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def examine(module: nn.Module, outputs: int, example: Tensor) -> bool:
    """Whether the module's training passes draw from PyTorch's generator, as dropout does.

    Two training passes are made, with the same random numbers, and one in evaluation.

    Args:
        module: in float32, on the CPU.
        outputs: how many logits it promises.
        example: examples (B, …).

    Raises:
        ModelError: its parameters are not real numbers, or none; it raises, returns no logits of
            the promised shape or none that depend on the parameters; it changes its own state or
            the examples; it draws random numbers in evaluation, or from another generator.
    """
    name = type(module).__name__
    _check_parameters(module, name)
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        x = example.clone()
        before = {key: value.clone() for key, value in _state(module).items()}
        train = partial(_trained, outputs=outputs)
        z_BC, random = _pass(module.train(), train, x)
        again_BC, _ = _pass(module, train, x)
        # Last, since some modules keep a weight that they computed, and this one has no graph.
        _, evaluated_at_random = _pass(module.eval(), _evaluated, x)
        module.train()
        _check_unchanged(module, name, before, x, example)
        if not torch.allclose(z_BC, again_BC, rtol=1e-4, atol=1e-6, equal_nan=True):
            msg = (
                f"the model ({name}) returns other logits for the same examples, weights and "
                "PyTorch seed: it keeps state, or draws from another generator than PyTorch's"
            )
            raise ModelError(msg)
        if evaluated_at_random:
            msg = (
                f"the model ({name}) draws random numbers in evaluation: its results would change "
                "from call to call; functional.dropout takes training=self.training"
            )
            raise ModelError(msg)
    return random


def takes_channels_last(module: nn.Module, example: Tensor) -> bool:
    """Whether images may lie channels last in memory.

    PyTorch (2.13, on a CPU) crashes in the backward pass of a group normalisation over such
    images where its input needs no gradient: as the first layer, or after frozen ones.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        watch = _GroupNorms()
        with watch:
            module(example.clone())
    return watch.inputs_need_gradients


class _GroupNorms(TorchFunctionMode):
    """Looks at the inputs of group normalisations."""

    inputs_need_gradients = True

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.group_norm:
            x = args[0] if args else kwargs["input"]
            self.inputs_need_gradients &= x.requires_grad
        return func(*args, **kwargs)


def _check_parameters(module: nn.Module, name: str) -> None:
    parameters = trainable(module)
    if any(isinstance(p, UninitializedParameter) for p in parameters):
        msg = f"the model ({name}) has lazy layers, which have no weights yet: give their sizes"
        raise ModelError(msg)
    if not sum(p.numel() for p in parameters):
        raise ModelError(f"the model ({name}) has no parameters to train")
    if any(p.is_complex() for p in parameters):
        msg = f"the model ({name}) has complex parameters; allowed: real ones (torch.view_as_real)"
        raise ModelError(msg)


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _pass(
    module: nn.Module, made: Callable[[nn.Module, Tensor], Tensor], x: Tensor
) -> tuple[Tensor, bool]:
    """A pass from seed 0, and whether it drew random numbers; raises ModelError if it raises."""
    torch.manual_seed(0)
    generator = torch.get_rng_state()
    try:
        z_BC = made(module, x)
    except ModelError:
        raise
    except Exception as error:
        what = "training" if module.training else "evaluation"
        msg = (
            f"the model ({type(module).__name__}) does not take examples {tuple(x.shape)} in "
            f"{what}: {raised(error)}"
        )
        raise ModelError(msg) from error
    return z_BC, not torch.equal(generator, torch.get_rng_state())


def _trained(module: nn.Module, x: Tensor, *, outputs: int) -> Tensor:
    with torch.enable_grad():
        z_BC = module(x)
        if not isinstance(z_BC, Tensor) or z_BC.shape != (len(x), outputs):
            found = tuple(z_BC.shape) if isinstance(z_BC, Tensor) else type(z_BC).__name__
            msg = (
                f"the model ({type(module).__name__}) returns {found} for {len(x)} examples, "
                f"not (B, {outputs})"
            )
            raise ModelError(msg)
        torch.autograd.grad(z_BC.sum(), trainable(module), allow_unused=True)
    return z_BC.detach()


def _evaluated(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        z_BC: Tensor = module(x)
    return z_BC


def _check_unchanged(
    module: nn.Module, name: str, before: dict[str, Tensor], x: Tensor, example: Tensor
) -> None:
    changed = [key for key, value in _state(module).items() if not _same(value, before[key])]
    if changed:
        msg = (
            f"the model ({name}) changes its own state in a forward pass: {', '.join(changed)}; "
            "GroupNorm and LayerNorm, for example, do not"
        )
        raise ModelError(msg)
    if not _same(x, example):
        msg = (
            f"the model ({name}) changes its examples in place, which other models and passes "
            "read as well: replace the operation on its input by one that returns a new tensor"
        )
        raise ModelError(msg)


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal; NaN equals NaN."""
    return torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
