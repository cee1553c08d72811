"""Optimizers of one's own in a study file: `package.module:function` and its short name.

In: a study file's table. Out: the same with every reference that is among its optimizers
replaced by its short name, the function's, which is what tables, figures and Optuna's studies
call it. Must not import torch, Ray, Optuna or pandas.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from agsam_tune.plugins import NAME_RULE, OPTIMIZERS, Plugin, announced, is_name, is_reference
from agsam_tune.study.errors import Problems
from agsam_tune.study.files import find_search_spaces

__all__ = ["OWN", "announced_optimizers", "builtin_names", "name_problem", "short_name", "shorten"]

#: What a message says that one's own optimizer or task may be written as.
OWN = "'package.module:function' for one's own"

_ROLES = ("candidate", "baseline", "control")


def short_name(name: str) -> str:
    """The function's name of a reference; any other name is its own."""
    return name.partition(":")[2] if is_reference(name) else name


def builtin_names() -> tuple[str, ...]:
    """The optimizers that come with the package."""
    return tuple(find_search_spaces(None))


def announced_optimizers() -> tuple[dict[str, Plugin], list[str]]:
    """The optimizers that installed packages announce, by name, and why others cannot be used."""
    return announced(OPTIMIZERS, builtin_names())


def name_problem(name: str, reference: str) -> str | None:
    """Why an optimizer of one's own cannot be called `name`, or None."""
    if name in builtin_names():
        return f"found {reference!r} called {name!r}, a built-in's name; allowed: another name"
    if not is_name(name):
        return f"found {reference!r} called {name!r}, allowed: {NAME_RULE}"
    return None


def shorten(
    table: Mapping[str, Any], problems: Problems
) -> tuple[Mapping[str, Any], dict[str, str]]:
    """The table with short names, and the reference that each of them stands for.

    Adds to `problems` short names that cannot be, or that stand for two references.
    """
    listed = table.get("optimizers")
    given = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    names = {reference: short_name(reference) for reference in given if is_reference(reference)}
    references: dict[str, str] = {}
    refused = set()
    for reference, name in names.items():
        message = name_problem(name, reference)
        if name in references:
            both = f"{references[name]!r} and {reference!r}, both {name!r}"
            what = "functions of different names, or search-space files of different names for them"
            message = f"found {both}; allowed: {what}"
        if message:
            problems.add("optimizers", message)
            refused.add(reference)
        else:
            references[name] = reference
    if not names:
        return table, references
    # What is said of a refused name is enough: its short name may be another optimizer's.
    left = {**table, "optimizers": [name for name in table["optimizers"] if name not in refused]}
    return _renamed(left if left["optimizers"] else table, names, problems), references


def _renamed(
    table: Mapping[str, Any], names: Mapping[str, str], problems: Problems
) -> dict[str, Any]:
    """The table with `names` put in place wherever an optimizer is named."""
    changed = dict(table)
    changed["optimizers"] = [_short(name, names) for name in table["optimizers"]]
    for role in _ROLES:
        if role in table:
            changed[role] = _short(table[role], names)
    if isinstance(table.get("search_spaces"), dict):
        changed["search_spaces"] = _renamed_keys(table["search_spaces"], names, problems)
    if isinstance(table.get("phases"), list):
        changed["phases"] = [_renamed_phase(phase, names) for phase in table["phases"]]
    if "reference" in table:
        changed["reference"] = _renamed_entries(table["reference"], "results", names)
    return changed


def _short(value: object, names: Mapping[str, str]) -> object:
    return names.get(value, value) if isinstance(value, str) else value


def _renamed_keys(
    spaces: Mapping[str, Any], names: Mapping[str, str], problems: Problems
) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key, space in spaces.items():
        name = names.get(key, key)
        if name in changed:
            message = f"found twice, also as {_other(spaces, name, names)!r}; allowed: once"
            problems.add(f"search_spaces.{name}", message)
        changed[name] = space
    return changed


def _other(spaces: Iterable[str], name: str, names: Mapping[str, str]) -> str:
    return next(key for key in spaces if key != name and names.get(key) == name)


def _renamed_phase(table: object, names: Mapping[str, str]) -> object:
    renamed = _renamed_entries(table, "points", names)
    if isinstance(renamed, dict) and isinstance(renamed.get("optimizers"), list):
        return {**renamed, "optimizers": [_short(name, names) for name in renamed["optimizers"]]}
    return renamed


def _renamed_entries(table: object, key: str, names: Mapping[str, str]) -> object:
    """The table with the optimizers of the entries of its list `key` renamed."""
    entries = table.get(key) if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(entries, list):
        return table
    renamed = [
        {**entry, "optimizer": _short(entry["optimizer"], names)}
        if isinstance(entry, dict) and "optimizer" in entry
        else entry
        for entry in entries
    ]
    return {**table, key: renamed}
