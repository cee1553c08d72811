"""`--set KEY=VALUE`: changes single keys of a study before it is checked.

In: the study file's table and the arguments. Out: a changed copy, and which argument changed
which key. Must not import torch, Ray, Optuna or pandas.
"""

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from agsam_tune.study.errors import Problem, Problems, nearest, show
from agsam_tune.study.files import parse_toml
from agsam_tune.study.references import short_name
from agsam_tune.study.tables import PHASE_TABLES, SECTIONS, Header
from agsam_tune.tasks.catalog import BUILTIN_TASKS

__all__ = ["apply_overrides", "override_keys"]

# The dots of a reference do not part keys, and a shell has taken away the quotes around it.
_REFERENCE_IN_KEY = re.compile(
    r"(?P<table>search_spaces|phases\.fixed\.points)\.(['\"]?)[\w.]+:(?P<name>\w+)\2(?=\.|$)"
)


def override_keys() -> tuple[str, ...]:
    """The keys that KEY may be, but for those of search spaces and of a task of one's own."""
    options = [field for task in BUILTIN_TASKS.values() for field in task.options.model_fields]
    return (
        *Header.model_fields,
        *(f"task_options.{name}" for name in dict.fromkeys(options)),
        *(f"{name}.{key}" for name, table in SECTIONS.items() for key in table.model_fields),
        *(
            f"phases.{name}.{key}"
            for name, table in PHASE_TABLES.items()
            for key in table.model_fields
            if key != "name"
        ),
    )


def apply_overrides(
    table: Mapping[str, Any], arguments: Sequence[str], problems: Problems
) -> dict[str, Any]:
    """A copy of `table` with each of `arguments` applied, in their order.

    KEY is dotted; an entry of an array of tables is named by its `name` (`phases.map.points`) or,
    where it has none, by its `optimizer` (`phases.fixed.points.gsam.rho`). An optimizer of one's
    own is named as the file names it or by its short name. VALUE is TOML, or a string where it is
    not. Tables that are not there are made.

    Args:
        table: what the study file says; it is left as it is.
        arguments: texts "KEY=VALUE".
        problems: arguments that cannot be applied are added here, and those that were are
            remembered, so that later problems name them.
    """
    changed = copy.deepcopy(dict(table))
    applied = dict(problems.overrides)
    for argument in arguments:
        key, equals, text = (part.strip() for part in argument.partition("="))
        key = _REFERENCE_IN_KEY.sub(r"\g<table>.\g<name>", key)
        message = _bad_key(key, equals) or _assign(changed, key.split("."), _value(text))
        if message:
            file = f"--set {argument}"
            problems.found.append(Problem(file=file, key="", message=message))
        else:
            applied[key] = argument
    problems.overrides = applied
    return changed


def _bad_key(key: str, equals: str) -> str | None:
    if not equals:
        return "found no '=', allowed: KEY=VALUE, such as training.epochs=5"
    if not all(part.strip() for part in key.split(".")):
        return f"found the key {key!r}, allowed: dotted names, such as training.epochs"
    return None


def _value(text: str) -> object:
    try:
        parsed = parse_toml(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    # A line break in the text could have begun further keys.
    return parsed["value"] if len(parsed) == 1 else text


def _assign(table: dict[str, Any], path: Sequence[str], value: object) -> str | None:
    """Sets one key in place; the message, if that cannot be done."""
    place: Any = table
    for depth, part in enumerate(path[:-1]):
        so_far = ".".join(path[: depth + 1])
        if isinstance(place, list):
            names = [short_name(_entry_name(entry)) for entry in place]
            if names.count(part) != 1:
                return _no_entry(part, names, ".".join(path[:depth]))
            place = place[names.index(part)]
        else:
            same = (key for key in place if short_name(key) == part)
            place = place.setdefault(next(same, part), {})
        if not isinstance(place, dict | list):
            return f"{so_far} is {show(place)}, which has no keys; allowed: {so_far}=VALUE"
    if isinstance(place, list):
        names = [_entry_name(entry) for entry in place]
        example = f"{'.'.join(path[:-1])}.{names[0] if names else 'NAME'}.KEY=VALUE"
        return f"a whole entry of a list cannot be set, allowed: one of its keys, {example}"
    place[path[-1]] = value
    return None


def _entry_name(entry: object) -> str:
    if not isinstance(entry, Mapping):
        return ""
    return str(entry.get("name", entry.get("optimizer", "")))


def _no_entry(name: str, names: Sequence[str], key: str) -> str:
    if name in names:
        return f"{key} has {names.count(name)} entries called {name!r}; allowed: one that is unique"
    listed = ", ".join(filter(None, names)) or "none"
    return f"{key} has no entry called {name!r}, allowed: {listed}{nearest(name, names)}"
