"""The keys that a parameter group may have, and what one that nobody knows is likely to mean.

In: groups as users and checkpoints give them. Out: nothing, or ValueError and TypeError. Must
not import anything of this package but the rules.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Iterator, Mapping
from types import CodeType
from typing import Any

from torch.optim import Optimizer

from agsam_tune.optimizers import RULES

# What others than the optimizer keep in groups: torch (its options come and go between
# versions, and checkpoints with them), its SWALR, Lightning's monitor of learning rates, timm.
_OF_OTHERS = frozenset(
    {
        *("params", "param_names", "name", "swa_lr", "lr_scale", "base_momentum", "max_momentum"),
        *("foreach", "fused", "capturable", "maximize", "differentiable"),
        "decoupled_weight_decay",
    }
)
# Schedulers keep values of a hyperparameter under its name after these: initial_lr, max_momentum.
_OF_SCHEDULERS = ("initial_", "base_", "min_", "max_")
# Above "lr_decay" for "weight_decay", and below "roh" for "rho".
_NEAR = 0.65


def check_keys(
    owner: str,
    own: Collection[str],
    base: Optimizer,
    group: Mapping[Any, Any],
    *,
    kept: Collection[str] = (),
    place: str = "a parameter group",
) -> None:
    """Refuse keys of a group that neither the optimizer nor anything around it reads.

    Args:
        owner: the class, for the message.
        own: its hyperparameters.
        base: the base optimizer, which knows its defaults, its arguments, and what its code
            mentions.
        group: what the user, or a checkpoint, says of a group.
        kept: keys that the group has already.
        place: where the group is from.

    Raises:
        ValueError: with what the first such key may have meant.
    """
    known = {*own, *base.defaults, *known_to(type(base))}
    for key, value in group.items():
        if key in known or key in _OF_OTHERS or key in kept:
            continue
        if isinstance(key, str) and _without_prefix(key) in known:
            continue
        if isinstance(value, str) and not is_suspect(str(key), own):
            continue  # A label.
        if key == "adaptive" and not value and "gamma" not in own:
            continue  # It says what is done.
        why = "which nothing reads"
        if key in _of_rules():
            why = f"which {owner} does not have"
        names = dict.fromkeys((*own, *base.defaults))
        raise ValueError(f"{place} of {owner} sets {key!r}, {why}{meaning(key, own, names)}")


def meaning(key: Any, own: Collection[str], names: Collection[str]) -> str:
    """What an unknown key may have meant, as the end of a message.

    Args:
        key: the key.
        own: the optimizer's own hyperparameters.
        names: those that it may be a slip in.
    """
    if key == "adaptive":
        here = 'the rule "adaptive_gsam_t2" in TwoPass' if "alpha" in own else "the class ASAM"
        return f": adaptive=True of other programs is {here}, with gamma=0 for the very same step"
    if key in _of_rules():
        return f" (it has {', '.join(own)})"
    near = near_name(str(key), names)
    if near is not None:
        return f"; did you mean {near!r}?"
    return (
        f" (it has {', '.join(names)}); what your own code reads, set on "
        "optimizer.param_groups once the optimizer is made, and before a state_dict is loaded"
    )


def near_name(key: str, names: Collection[str]) -> str | None:
    """The name that a key is a slip in. Longer or shorter ones are names of their own."""
    alike = [name for name in names if abs(len(name) - len(key)) <= 1]
    found = difflib.get_close_matches(key.lower(), alike, 1, _NEAR)
    return found[0] if found else None


def is_suspect(key: str, own: Collection[str]) -> bool:
    """Whether an argument that a base class would swallow was meant for an optimizer here."""
    return key == "adaptive" or key in _of_rules() or near_name(key, own) is not None


def known_to(kind: type[Optimizer]) -> frozenset[str]:
    """What a class takes as arguments, and the strings in its code, among them the keys it reads.

    Some read keys that are no defaults (`use_muon`), or put a key into groups as they go (`step`).
    """
    found: set[str] = set()
    for owner in kind.__mro__:
        if owner in {Optimizer, object}:
            continue
        for member in vars(owner).values():
            function = inspect.unwrap(getattr(member, "__func__", member))
            if inspect.isfunction(function):
                found.update(_strings(function.__code__))
        found.update(inspect.signature(owner).parameters)
    return frozenset(found - {"adaptive"})


def _strings(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        for item in constant if isinstance(constant, tuple | frozenset) else (constant,):
            if isinstance(item, str):
                yield item
            elif isinstance(item, CodeType):
                yield from _strings(item)


def _of_rules() -> set[str]:
    return {name for rule in RULES.values() for name in rule.hyperparameters}


def _without_prefix(key: str) -> str:
    for prefix in _OF_SCHEDULERS:
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return key
