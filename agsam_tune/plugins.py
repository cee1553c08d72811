"""Code of the user's own: what installed packages announce, and objects found by reference.

In: the entry points of the installed packages, and references such as
`package.module:function`. Out: what is announced, without importing it, and the objects
themselves, imported. Must import nothing but the standard library and `errors`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import sys
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from agsam_tune.errors import UsageError

#: The groups of entry points: NAME = "package.module:function" in a package's pyproject.toml.
TASKS, OPTIMIZERS = "agsam_tune.tasks", "agsam_tune.optimizers"

#: Of a reference, and of a name, as a whole.
REFERENCE_PATTERN = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*"
NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_-]*"

# The folders that studies have added to sys.path.
_ADDED: set[str] = set()

NAME_RULE = "letters, digits, '_' and '-', a letter or '_' first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What an installed package announces.

    Attributes:
        name: what a study file calls it.
        reference: where it is, as `package.module:function`.
        package: the distribution that announces it.
    """

    name: str
    reference: str
    package: str


def is_reference(text: str) -> bool:
    """Whether `text` is written as `package.module:function`."""
    return re.fullmatch(REFERENCE_PATTERN, text) is not None


def is_name(text: str) -> bool:
    """Whether `text` can be the name of a task or an optimizer: see `NAME_RULE`."""
    return re.fullmatch(NAME_PATTERN, text) is not None


def announced(group: str, taken: Container[str]) -> tuple[dict[str, Plugin], list[str]]:
    """The plugins of a group by name, and what is wrong with those that cannot be used.

    Args:
        group: `TASKS` or `OPTIMIZERS`.
        taken: the names of the built-in ones, which nobody else can have.
    """
    by_name: dict[str, list[Plugin]] = defaultdict(list)
    try:
        points = entry_points(group=group)
    except Exception as error:  # noqa: BLE001  (whatever one package's damaged metadata raise)
        return {}, [f"entry points of {group}: cannot be read: {in_one_line(error)}"]
    for point in points:
        by_name[point.name].append(_plugin(point))
    found, problems = {}, []
    for name, plugins in sorted(by_name.items()):
        problem = _problem(name, plugins, taken)
        if problem:
            problems.append(f"entry point {name!r} of {group}: {problem}")
        else:
            found[name] = plugins[0]
    return found, problems


def _plugin(point: EntryPoint) -> Plugin:
    # What a half removed package left announces, but has no name.
    package = (point.dist and point.dist.name) or "?"
    return Plugin(name=point.name, reference=point.value, package=package)


def _problem(name: str, plugins: Sequence[Plugin], taken: Container[str]) -> str | None:
    packages = " and ".join(sorted(plugin.package for plugin in plugins))
    if name in taken:
        return f"a built-in has this name, so that of {packages} is not used"
    if len(plugins) > 1:
        return f"{packages} both announce it, so neither is used"
    if not is_name(name):
        return f"not a name that a study can use ({packages}); allowed: {NAME_RULE}"
    if not is_reference(plugins[0].reference):
        found = plugins[0].reference
        return f"found {found!r} ({packages}), allowed: 'package.module:function'"
    return None


def data_file(reference: str, folder: str, name: str) -> Path | None:
    """The file `folder/name` beside a reference's module, or in a package that holds it.

    Nothing is imported, so packages that are made up at import are not looked through.
    """
    top, *inner = reference.partition(":")[0].split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is None:
        places = [Path(spec.origin).parent] if spec.origin and spec.has_location else []
    else:
        places = [Path(place) for place in spec.submodule_search_locations]
    nested = [
        place.joinpath(*inner[:depth]) for depth in range(len(inner), -1, -1) for place in places
    ]
    files = (place / folder / name for place in nested)
    return next((file for file in files if file.is_file()), None)


def find_object(reference: str, import_path: Sequence[str] = ()) -> Any:
    """What a reference names, its module imported.

    Args:
        reference: `package.module:function`.
        import_path: folders in which the module is looked for as well; they come last, so that
            a module of the user's hides none of the installed ones. They stay there, since
            functions may import more when they are called.

    Raises:
        UsageError: there is no such module or nothing of this name in it, or importing it
            raised, or one of its name was imported for another study; in one line.
    """
    module_name, _, attribute = reference.partition(":")
    _check_not_of_another_study(module_name.partition(".")[0], import_path)
    # Moved to the end: Ray puts the working folder first on its workers' path.
    others = [folder for folder in sys.path if folder not in import_path]
    sys.path[:] = [*others, *dict.fromkeys(import_path)]
    _ADDED.update(import_path)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent is None or not f"{module_name}.".startswith(f"{absent}."):
            raise UsageError(f"importing {module_name} raised {in_one_line(error)}") from error
        places = ", ".join([*dict.fromkeys(import_path), "the installed packages"])
        raise UsageError(f"there is no module {absent}; looked for in {places}") from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        hint = _nearest(attribute, vars(module))
        where = getattr(module, "__file__", None) or module_name
        raise UsageError(f"{where} has nothing called {attribute!r}{hint}") from None


def _check_not_of_another_study(top: str, import_path: Sequence[str]) -> None:
    """Raise UsageError where this process has a module of the name from another's folder."""
    loaded = getattr(sys.modules.get(top), "__file__", None)
    others = [Path(folder).absolute() for folder in _ADDED.difference(import_path)]
    if loaded is None or not any(Path(loaded).is_relative_to(folder) for folder in others):
        return
    own = PathFinder.find_spec(top, list(import_path))
    if own is not None and own.origin != loaded:
        msg = (
            f"this process has imported {top} from {loaded}, for another study; allowed: one "
            "module of a name in a process"
        )
        raise UsageError(msg)


def in_one_line(error: BaseException) -> str:
    """The kind of an exception and its message, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def _nearest(name: str, names: Mapping[str, object]) -> str:
    public = [other for other in names if not other.startswith("_")]
    close = difflib.get_close_matches(name, public, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
