"""The roles of optimizers in a claim: which is the candidate, the baseline, the control.

In: what was asked for, and the optimizers that there are. Out: `Roles`, or what is wrong. Must not
import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agsam_tune.importing.options import ImportOptions
from agsam_tune.importing.source import Findings
from agsam_tune.study.errors import nearest

__all__ = ["Roles", "check_roles", "check_whole"]

_ROLES = ("candidate", "baseline", "control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The optimizers of a claim; None for none."""

    candidate: str | None = None
    baseline: str | None = None
    control: str | None = None


def check_roles(options: ImportOptions, optimizers: Sequence[str], findings: Findings) -> Roles:
    """The roles that were asked for in one source; adds what is wrong with them."""
    given = {role: getattr(options, role) for role in _ROLES if getattr(options, role) is not None}
    for role, name in given.items():
        if name not in optimizers:
            listed = ", ".join(optimizers)
            hint = nearest(name, optimizers)
            findings.add(f"--{role}", f"found {name!r}, allowed: {listed}{hint}")
    check_whole(given, findings)
    return Roles(**given)


def check_whole(given: Mapping[str, str | None], findings: Findings) -> None:
    """Adds what is not: different optimizers, and a candidate and a baseline if any role."""
    known = [name for name in given.values() if name is not None]
    if len(set(known)) < len(known):
        listed = ", ".join(f"--{role} {name}" for role, name in given.items())
        findings.add("roles", f"found {listed}, allowed: different optimizers")
    for role in ("candidate", "baseline"):
        if given and role not in given:
            other = next(iter(given))
            findings.add(f"--{role}", f"missing, needed: an optimizer, as there is --{other}")
