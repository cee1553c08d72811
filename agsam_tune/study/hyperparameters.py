"""What hyperparameters are called, in which order they stand, and what none of them can be.

In: names and values. Out: their order, their limits. Must import nothing but the standard library.
"""

import math
import operator
from collections.abc import Iterable, Mapping
from types import MappingProxyType

__all__ = [
    "BASE_HYPERPARAMETERS",
    "HYPERPARAMETER_LIMITS",
    "SIGNS",
    "canonical_order",
    "limit_problem",
    "limits",
]

#: Hyperparameters of the base optimizer that a search space may hold besides an optimizer's own.
BASE_HYPERPARAMETERS = ("lr", "momentum", "weight_decay")

_FIRST = ("rho", "alpha", "gamma")

#: How messages write bounds, which are called as `pydantic.Field` and `operator` call them.
SIGNS: Mapping[str, str] = MappingProxyType({"gt": ">", "ge": ">=", "lt": "<", "le": "<="})

#: Hyperparameters by the bounds outside of which no optimizer could use them.
HYPERPARAMETER_LIMITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        **{name: {"ge": 0} for name in (*_FIRST, "weight_decay")},
        "lam": {"ge": 0, "le": 1},
        "lr": {"gt": 0},
        "momentum": {"ge": 0, "lt": 1},
    }
)


# The smallest positive number in single precision, and what lies between 1 and the one before it.
_TINY, _GAP = 2.0**-126, 2.0**-24


def canonical_order(names: Iterable[str]) -> tuple[str, ...]:
    """Hyperparameters without repetition in the order used everywhere: rho, alpha, gamma, others.

    The others follow by name. Designs are drawn over the names in this order.
    """
    unique = set(names)
    return tuple(name for name in _FIRST if name in unique) + tuple(sorted(unique - set(_FIRST)))


def limit_problem(hyperparameter: str, value: float) -> str | None:
    """What makes `value` senseless for `hyperparameter`, as the text of what is allowed, or None.

    Only what no optimizer could use: a hyperparameter that is not known here has no limits.
    """
    limits = HYPERPARAMETER_LIMITS.get(hyperparameter, {})
    if all(getattr(operator, bound)(value, limit) for bound, limit in limits.items()):
        return None
    said = " and ".join(f"{SIGNS[bound]} {limit:g}" for bound, limit in limits.items())
    return f"a number {said}"


def limits(hyperparameter: str) -> tuple[float, float]:
    """What no value of `hyperparameter` is less, or more, than; infinities where there is no limit.

    A limit that is not itself allowed stands as the nearest number in single precision that is.
    """
    known = HYPERPARAMETER_LIMITS.get(hyperparameter, {})
    low = known.get("ge", _TINY if "gt" in known else -math.inf)
    return low, known.get("le", known.get("lt", math.inf) - _GAP if "lt" in known else math.inf)
