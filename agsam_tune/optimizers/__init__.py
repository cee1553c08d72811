"""Update rules as pure functions on (K, P) matrices; see `rules`."""

from agsam_tune.optimizers.rules import RULES, Rule, optimizer, rule

__all__ = ["RULES", "Rule", "optimizer", "rule"]
