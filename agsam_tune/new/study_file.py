"""The text of a new study file.

In: what the study is to be. Out: TOML with a comment on each key, small enough for a minute on
two cores with `moons`. What a built-in task is trained by comes from the study that the package
has for it. Must not import torch, Ray, Optuna, NumPy or pandas.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from agsam_tune.new.choices import Choices
from agsam_tune.new.task_module import TASK_OPTIONS
from agsam_tune.paths import command_word
from agsam_tune.study import available_studies, readable_search_spaces
from agsam_tune.study.files import read_table
from agsam_tune.study.model import FORMAT
from agsam_tune.study.tables import OPTIONAL_SECTIONS, PHASE_TABLES, SECTIONS, Header
from agsam_tune.study.text import comment_lines, heading_lines, key_lines, table_lines
from agsam_tune.tasks.catalog import BUILTIN_TASKS

# For a task that the package has no study for.
_TRAINING: Mapping[str, Any] = MappingProxyType(
    {"epochs": 15, "batch_size": 32, "lr": 0.05, "momentum": 0.9}
)

_REPLICATES = 8

_PHASES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "map": {"sampler": "sobol", "points": 8},
        "key": {"points": 12},
        "off": {"points": 16, "factor": 10.0},
        "radius": {"points": 8},
        "tune": {"sampler": "tpe", "points": 8},
        "misset": {"points": 4},
        "default": {"seeds": 1},
    }
)

# They compare the candidate and the baseline.
_FOR_A_CLAIM = ("key", "off", "radius")

# Their lists of tables have no one-line form; studies/paper_moons.toml shows one.
_NOT_SHOWN = ("reference",)


def study_text(choices: Choices, path: str, *, skeleton: bool) -> str:
    """The study file.

    Args:
        choices: what the study is to be.
        path: of the study file, as the next command names it.
        skeleton: whether the task's module is the one that `new` writes.
    """
    shipped = _shipped_for(choices.task)
    roles = choices.roles
    header = {
        "format": FORMAT,
        "task": choices.task,
        "optimizers": choices.optimizers,
        **roles,
        "seed": 0,
        "replicates": _REPLICATES,
    }
    training = shipped.get("training", _TRAINING)
    return "\n".join(
        [
            "#:schema ./schemas/study.json",
            *comment_lines(_about(choices, path)),
            "",
            *table_lines(Header, header),
            "",
            *_task_options(choices.task, shipped.get("task_options", {}), skeleton=skeleton),
            "",
            *_section("training", training),
            *_search_spaces(choices),
            *_phases(has_claim=bool(roles)),
            *(line for name in SECTIONS if name != "training" for line in _section(name, {})),
        ]
    )


def _about(choices: Choices, path: str) -> str:
    *others, last = choices.optimizers
    names = f"{', '.join(others)} and {last}" if others else last
    return (
        f"How much accuracy does mis-setting {names} cost on {choices.task}?\n\n"
        f"    agsam-tune run {command_word(path)}\n\n"
        "A key that stands after a # has its default there. Any key can be changed for one run:\n\n"
        "    --set training.epochs=5 --set phases.map.points=16"
    )


def _shipped_for(task: str) -> Mapping[str, Any]:
    """The package's study of a built-in task, or {}."""
    path = available_studies().get(task) if task in BUILTIN_TASKS else None
    return read_table(path) if path else {}


def _task_options(task: str, options: Mapping[str, Any], *, skeleton: bool) -> list[str]:
    if task in BUILTIN_TASKS:
        about = heading_lines("[task_options]", f"what the task {task} takes")
        return [*about, *table_lines(BUILTIN_TASKS[task].options, options)]
    about = heading_lines("[task_options]", "what the task's function is given by name")
    return [*about, *(line for each in TASK_OPTIONS for line in key_lines(*each) if skeleton)]


def _section(name: str, values: Mapping[str, Any]) -> list[str]:
    """A table with its heading; of one that is nothing without its heading, that is unsaid too."""
    if name in _NOT_SHOWN:
        return []
    model = SECTIONS[name]
    heading = f"{'# ' if name in OPTIONAL_SECTIONS else ''}[{name}]"
    about = (model.__doc__ or "").partition("\n")[0].rstrip(".")
    about = f"{about[0].lower()}{about[1:]}"
    return [*heading_lines(heading, about), *table_lines(model, values), ""]


def _search_spaces(choices: Choices) -> list[str]:
    """How a range is changed, by the example of the first that there is."""
    spaces, _ = readable_search_spaces(choices.folder)
    for optimizer in choices.optimizers:
        for name, interval in spaces[optimizer].ranges.items() if optimizer in spaces else ():
            about = (
                "What hyperparameters are drawn from is said in search_spaces/. A range is changed "
                f"for this study alone with, for example:\n    [search_spaces.{optimizer}.{name}]\n"
                f"    high = {interval.high}"
            )
            return [*comment_lines(about), ""]
    return []


def _phases(*, has_claim: bool) -> list[str]:
    lines: list[str] = []
    for name, values in _PHASES.items():
        if name in _FOR_A_CLAIM and not has_claim:
            continue
        model = PHASE_TABLES[name]
        purpose = (model.__doc__ or "").partition(": ")[2].rstrip(".")
        heading = ["[[phases]]", *key_lines("name", name, purpose)]
        lines += [*heading, *table_lines(model, values), ""]
    return lines
