"""Update rules as pure functions on (K, P) matrices: see `rules`.

A module with an optimizer of one's own needs nothing else: the decorator and the directions,
and the row-wise functions that a step is made of.
"""

from agsam_tune.optimizers.loading import load_rule
from agsam_tune.optimizers.rows import norm, orthogonal, unit
from agsam_tune.optimizers.rules import (
    RULES,
    Rule,
    decomposed,
    optimizer,
    penalised,
    perturbed,
    plain,
    register,
    rule,
)

__all__ = [
    "RULES",
    "Rule",
    "decomposed",
    "load_rule",
    "norm",
    "optimizer",
    "orthogonal",
    "penalised",
    "perturbed",
    "plain",
    "register",
    "rule",
    "unit",
]
