"""What there is to run: tasks, optimizers with their hyperparameters, and studies.

In: the files of the package and the working folder, and what installed packages announce.
Out: text, a dictionary for JSON, names. Must not import torch, Ray,
Optuna, NumPy or pandas: names and hyperparameters come from the search-space files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agsam_tune.plugins import TASKS, announced
from agsam_tune.study import (
    announced_optimizers,
    available_studies,
    readable_search_spaces,
)
from agsam_tune.study.files import find_search_spaces
from agsam_tune.tasks.catalog import BUILTIN_TASKS


def contents() -> dict[str, Any]:
    """What a study can be made of; the keys stay what they are.

    Returns:
        lists `tasks` (name, description; reference and package of what a package announces, else
        null), `optimizers` (name, description, the reference of one's own rule, and for each of its
        hyperparameters low, high, log and default), `studies` (name, file), and `problems`, a
        sentence for each thing that is there and cannot be used.
    """
    spaces, found = readable_search_spaces(Path.cwd())
    plugins, clashes = announced(TASKS, BUILTIN_TASKS)
    nobody = {"reference": None, "package": None}
    return {
        "tasks": [
            *(
                {"name": t.name, "description": t.description, **nobody}
                for t in BUILTIN_TASKS.values()
            ),
            *(
                {"name": p.name, "description": "", "reference": p.reference, "package": p.package}
                for p in plugins.values()
            ),
        ],
        "optimizers": [
            {
                "name": space.optimizer,
                "description": space.description,
                "reference": space.rule,
                "hyperparameters": {name: box.model_dump() for name, box in space.ranges.items()},
            }
            for space in spaces.values()
        ],
        "studies": [
            {"name": name, "file": str(path)} for name, path in available_studies().items()
        ],
        "problems": [*clashes, *announced_optimizers()[1], *map(str, found)],
    }


def listing() -> str:
    """The same for people: sections of aligned lines."""
    found = contents()
    sections = [
        ("Tasks", [(task["name"], _task(task)) for task in found["tasks"]]),
        ("Optimizers", [(one["name"], _about(one)) for one in found["optimizers"]]),
        ("Search spaces", [(one["name"], _ranges(one)) for one in found["optimizers"]]),
        ("Studies", [(one["name"], _shown(Path(one["file"]))) for one in found["studies"]]),
    ]
    if found["problems"]:
        sections.append(("Not usable", [(problem, "") for problem in found["problems"]]))
    title = "What a study can be made of, and the studies that come with the package"
    return "\n\n".join([title, *(_section(name, rows) for name, rows in sections)])


def task_names() -> list[str]:
    """The tasks that a study can name, but for references to one's own."""
    return [*BUILTIN_TASKS, *announced(TASKS, BUILTIN_TASKS)[0]]


def data_sets() -> dict[str, str]:
    """The tasks that need published files, and the data set of each."""
    return {task.name: task.data_set for task in BUILTIN_TASKS.values() if task.data_set}


def optimizer_names() -> list[str]:
    """The optimizers that a study in the working folder can name, but for references."""
    return list(dict.fromkeys([*find_search_spaces(Path()), *announced_optimizers()[0]]))


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = list(rows)
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join([title, *(f"  {name:{width}}  {text}".rstrip() for name, text in lines)])


def _task(task: Mapping[str, Any]) -> str:
    if task["package"] is None:
        return str(task["description"])
    return f"{task['reference']} from {task['package']}"


def _about(optimizer: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, (optimizer["reference"], optimizer["description"])))


def _ranges(optimizer: Mapping[str, Any]) -> str:
    boxes = optimizer["hyperparameters"].items()
    return ", ".join(f"{name} {_range(box)}" for name, box in boxes) or "–"


def _range(box: Mapping[str, Any]) -> str:
    log = " log" if box["log"] else ""
    return f"{box['low']:g}–{box['high']:g}{log} (default {box['default']:g})"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
