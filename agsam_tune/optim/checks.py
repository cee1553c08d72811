"""What a user hands to an optimizer, checked at the boundary, with errors that say how to mend it.

In: classes, keyword arguments, parameter groups. Out: nothing, or TypeError and ValueError.
Must not import anything of this package but the keys and the texts.
"""

from __future__ import annotations

import difflib
import inspect
import math
import numbers
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from agsam_tune.optim.keys import is_suspect, known_to, meaning
from agsam_tune.optim.texts import SHARDED

_OWN_ARGUMENTS = ("max_grad_norm", "model")


def check_base_class(owner: str, base_optimizer: Any) -> None:
    """Refuse what is no class of an optimizer that steps without a closure."""
    if isinstance(base_optimizer, Optimizer):
        name = type(base_optimizer).__name__
        msg = (
            f"base_optimizer is an object of {name}: give {owner} the class itself, "
            f"base_optimizer={name}, and its arguments (lr=…) as arguments of {owner}"
        )
        raise TypeError(msg)
    if not (inspect.isclass(base_optimizer) and issubclass(base_optimizer, Optimizer)):
        msg = (
            f"base_optimizer is {base_optimizer!r}; allowed is a class derived from "
            "torch.optim.Optimizer, such as torch.optim.SGD or torch.optim.AdamW"
        )
        raise TypeError(msg)
    parameters = inspect.signature(base_optimizer.step).parameters
    closure = parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        msg = (
            f"{base_optimizer.__name__} calls the closure itself, as often as it likes, so it "
            f"cannot apply the direction of {owner}; take SGD, Adam, AdamW or another optimizer "
            "whose step() needs no closure"
        )
        raise TypeError(msg)


def check_arguments(
    owner: str,
    own: Collection[str],
    base_optimizer: type[Optimizer],
    arguments: Mapping[str, Any],
) -> None:
    """Refuse keyword arguments that the base optimizer's class does not take."""
    parameters = inspect.signature(base_optimizer).parameters
    swallows = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    theirs = [
        name for name, p in parameters.items() if name != "params" and p.kind is not p.VAR_KEYWORD
    ]
    ours = [*own, *_OWN_ARGUMENTS]
    taken = {*theirs, *known_to(base_optimizer)} if swallows else {*theirs}
    for name in arguments:
        if name in taken or (swallows and not is_suspect(name, own)):
            continue
        near = difflib.get_close_matches(name, [*ours, *theirs], 1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        if name == "adaptive":
            guess = meaning(name, own, ours)
        msg = (
            f"{owner} has no argument {name!r}{guess} "
            f"(its own: {', '.join(ours)}; {base_optimizer.__name__}'s: {', '.join(theirs)})"
        )
        raise TypeError(msg)


def check_clash(owner: str, own: Iterable[str], base: Optimizer) -> None:
    """Refuse a base optimizer that has a hyperparameter of the same name in its groups."""
    for name in own:
        if name in base.defaults:
            msg = (
                f"{type(base).__name__} has a hyperparameter {name!r} of its own, and so has "
                f"{owner}; both would be param_groups[…][{name!r}]: take another base optimizer"
            )
            raise ValueError(msg)


def check_model(owner: str, model: Any) -> None:
    """Refuse what is neither None nor a module."""
    if model is not None and not isinstance(model, nn.Module):
        msg = (
            f"model of {owner} is of type {type(model).__name__}; allowed is the torch.nn.Module "
            "whose parameters are optimized, or None"
        )
        raise TypeError(msg)


def check_belonging(owner: str, model: nn.Module | None, parameters: Collection[Tensor]) -> None:
    """Refuse trained parameters that are not those of the model.

    A compiled or DistributedDataParallel model has the very parameters of the one inside.
    """
    if model is None:
        return
    known = {id(parameter) for parameter in model.parameters()}
    strange = [p for p in parameters if p.requires_grad and id(p) not in known]
    if strange:
        msg = (
            f"model of {owner} is another than the one that is optimized: {len(strange)} of the "
            f"{len(parameters)} parameters of a group, the first of shape "
            f"{tuple(strange[0].shape)}, are not in model.parameters(); for parameters of several "
            "modules pass model=torch.nn.ModuleList([…]) of them"
        )
        raise ValueError(msg)


def check_group(owner: str, own: Collection[str], group: Mapping[str, Any]) -> None:
    """Refuse hyperparameters and parameters of a complete group that make no sense.

    `own` are the names of the optimizer's hyperparameters.
    """
    check_values(owner, own, group)
    for option, mend in (
        ("maximize", "negate the loss instead: the ascent step needs its sign"),
        ("differentiable", f"{owner} writes weights and gradients in place"),
    ):
        if group.get(option):
            msg = f"{owner} cannot be used with {option}=True: {mend}"
            raise ValueError(msg)
    for parameter in group["params"]:
        if is_sharded(parameter):
            raise TypeError(SHARDED.format(name=owner, shape=tuple(parameter.shape)))
        if not parameter.is_floating_point():
            msg = (
                f"{owner} optimizes real floating-point parameters, and one of shape "
                f"{tuple(parameter.shape)} is {parameter.dtype}"
                + "; give it torch.view_as_real of a real parameter"
                * parameter.is_complex()
            )
            raise TypeError(msg)


def is_sharded(parameter: Tensor) -> bool:
    """Whether a process has a part of a parameter only: FSDP2's DTensor, or FSDP's flat one."""
    # Where the module is not imported there can be none, and importing it takes a while.
    module = sys.modules.get("torch.distributed.tensor")
    is_part = module is not None and isinstance(parameter, module.DTensor)
    return is_part or bool(getattr(parameter, "_is_flat_param", False))


def check_values(owner: str, own: Iterable[str], group: Mapping[str, Any]) -> None:
    """Refuse values of hyperparameters that make no sense, as users may set them at any time."""
    for name in own:
        check_number(owner, name, group[name])


def check_number(owner: str, name: str, value: Any) -> None:
    """Refuse what is no finite number ≥ 0."""
    number = isinstance(value, numbers.Real) or (torch.is_tensor(value) and value.numel() == 1)
    if not (number and math.isfinite(float(value)) and float(value) >= 0):
        msg = f"{name} of {owner} is {value!r}; allowed is a finite number >= 0"
        raise ValueError(msg)


def check_max_grad_norm(owner: str, value: float | None) -> None:
    """Refuse what is neither None nor a number > 0."""
    if value is not None:
        check_number(owner, "max_grad_norm", value)
        if value == 0:
            msg = f"max_grad_norm of {owner} is 0; allowed is a number > 0, or None for no clipping"
            raise ValueError(msg)
