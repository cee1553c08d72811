"""The rule that a user means, with hyperparameters that are its own.

In: a rule, the function that is one, a name, or a reference. Out: a rule that takes two passes,
or ValueError in one line. Must not import anything of this package but `agsam_tune.optimizers`
and the errors.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.optimizers import RULES, Rule, load_rule
from agsam_tune.optimizers.loading import rule_of

RuleLike = str | Rule | Callable[..., Any]


def find_rule(owner: str, given: RuleLike) -> Rule:
    """The rule with two passes that `given` is, or names.

    Args:
        owner: the class that asks, for the messages.
        given: a `Rule`, a function decorated with `@optimizer(…)`, the name of a rule, or a
            reference `module:function`, which is imported.

    Raises:
        ValueError: it is none of them, or a rule with one pass.
    """
    try:
        if not isinstance(given, str):
            found = rule_of(given)
        elif ":" in given:
            found = load_rule(given.rpartition(":")[2], given)
        else:
            found = _named(given)
    except (UsageError, TypeError, ValueError) as error:
        msg = f"rule of {owner}: {' '.join(str(error).split())}"
        raise ValueError(msg) from error
    if found.ascent is None:
        msg = (
            f"the rule {found.name} has no ascent step and takes one pass; {owner} needs one that "
            f"takes two (there are {', '.join(_with_two_passes())})"
        )
        raise ValueError(msg)
    return found


def check_hyperparameters(found: Rule, given: Collection[str]) -> None:
    """Raise ValueError unless `given` are the names of the rule's hyperparameters."""
    has = f"the rule {found.name} has {', '.join(found.hyperparameters) or 'no hyperparameters'}"
    for name in given:
        if name not in found.hyperparameters:
            near = difflib.get_close_matches(str(name), found.hyperparameters, 1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"hyperparameters has {name!r}, and {has}{guess}")
    missing = [name for name in found.hyperparameters if name not in given]
    if missing:
        raise ValueError(f"hyperparameters lacks {', '.join(missing)}: {has}")


def _named(name: str) -> Rule:
    if name not in RULES:
        near = difflib.get_close_matches(name, _with_two_passes(), 1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        msg = (
            f"there is none called {name!r}{guess} (there are {', '.join(_with_two_passes())}; "
            "one of your own is named 'module:function')"
        )
        raise ValueError(msg)
    return RULES[name]


def _with_two_passes() -> list[str]:
    return sorted(name for name, known in RULES.items() if known.ascent is not None)
