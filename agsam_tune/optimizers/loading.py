"""Optimizers of the user's own: found by reference, checked, and entered beside the built-ins.

In: a name and a reference, as a study has them. Out: a `Rule`, which `rule(name)` finds from
then on. Must not import Ray, Optuna, the engine or the study file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.optimizers import rules
from agsam_tune.optimizers.rules import Rule
from agsam_tune.plugins import find_object

_HOW = (
    "write `from agsam_tune.optimizers import decomposed, optimizer` and, above the function, "
    "@optimizer(direction=decomposed)"
)


def load_rule(name: str, reference: str, import_path: Sequence[str] = ()) -> Rule:
    """The rule that a reference names, registered as `name`.

    Args:
        name: what the study calls it.
        reference: `package.module:function`, of a function decorated with `@optimizer(…)`, or of
            a `Rule`.
        import_path: folders in which a user's module is looked for as well.

    Raises:
        UsageError: it cannot be found or imported, or is no rule, or another rule has the name;
            in one line.
    """
    try:
        found = rule_of(find_object(reference, import_path), name=name)
        added = replace(found, name=name)
        rules.register(added)
    except (UsageError, TypeError, ValueError) as error:
        raise UsageError(f"optimizer {name} ({reference}): {error}") from error
    return added


def rule_of(found: object, *, name: str = "") -> Rule:
    """The rule that a user's object is: a `Rule`, or a function with the decorator.

    Args:
        found: the object.
        name: which rule is meant of a function that has the decorator several times; else that
            with the function's own name.

    Raises:
        TypeError: it is neither, or takes other arguments than a rule does.
        ValueError: it is several rules, and none is meant.
    """
    if isinstance(found, Rule):
        _check(found)
        return found
    if not callable(found):
        msg = f"found {type(found).__name__} {found!r:.80}, allowed: a function or a Rule; {_HOW}"
        raise TypeError(msg)
    candidates = {known.name: known for known in rules.RULES.values() if known.ascent is found}
    if not candidates:
        raise TypeError(f"found a function without the decorator; {_HOW}")
    for wanted in (name, getattr(found, "__name__", "")):
        if wanted in candidates:
            return candidates[wanted]
    if len({rules.source(known) for known in candidates.values()}) > 1:
        listed = ", ".join(candidates)
        raise ValueError(f"the function is several optimizers, allowed as names: {listed}")
    return next(iter(candidates.values()))


def _check(given: Rule) -> None:
    """Raise TypeError unless a rule that was written out by hand is consistent."""
    functions: list[Any] = [given.direction, *([given.ascent] if given.ascent else [])]
    for function in functions:
        rules.check_arguments(function)
    taken = rules.hyperparameters_of(*functions)
    if set(taken) != set(given.hyperparameters):
        msg = (
            f"the Rule says hyperparameters = {given.hyperparameters}, but its functions "
            f"take {taken}"
        )
        raise TypeError(msg)
    if given.epoch_factor < 1:
        raise ValueError(f"the Rule says epoch_factor = {given.epoch_factor}, allowed: 1 or more")
