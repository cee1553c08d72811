"""What there is to run: tasks, optimizers with their hyperparameters, and studies.

In: the files of the package and the working folder, and what installed packages announce.
Out: text. Must not import torch, Ray,
Optuna, NumPy or pandas: names and hyperparameters come from the search-space files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agsam_tune.plugins import TASKS, announced
from agsam_tune.study import (
    Range,
    SearchSpace,
    announced_optimizers,
    available_studies,
    readable_search_spaces,
)
from agsam_tune.tasks.catalog import BUILTIN_TASKS


def listing() -> str:
    """Sections of aligned lines."""
    spaces, found = readable_search_spaces(Path.cwd())
    plugins, clashes = announced(TASKS, BUILTIN_TASKS)
    problems = [*clashes, *announced_optimizers()[1], *map(str, found)]
    tasks = [(t.name, t.description) for t in BUILTIN_TASKS.values()]
    tasks += [(p.name, f"{p.reference} from {p.package}") for p in plugins.values()]
    sections = [
        ("Tasks", tasks),
        ("Optimizers", [(s.optimizer, _about(s)) for s in spaces.values()]),
        ("Search spaces", [(s.optimizer, _ranges(s)) for s in spaces.values()]),
        ("Studies", [(name, _shown(path)) for name, path in available_studies().items()]),
    ]
    if problems:
        sections.append(("Not usable", [(problem, "") for problem in problems]))
    return "\n\n".join(_section(title, rows) for title, rows in sections)


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = list(rows)
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join([title, *(f"  {name:{width}}  {text}".rstrip() for name, text in lines)])


def _about(space: SearchSpace) -> str:
    return ": ".join(filter(None, (space.rule, space.description)))


def _ranges(space: SearchSpace) -> str:
    return ", ".join(f"{name} {_range(box)}" for name, box in space.ranges.items()) or "–"


def _range(box: Range) -> str:
    return f"{box.low:g}–{box.high:g}{' log' if box.log else ''} (default {box.default:g})"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
