"""A study as the tables of a study file: then `--set` changes a recorded study as it does a file.

In: a `Study`. Out: the table of a file that says the same, its search spaces left out: they are
taken from the study. Must not import torch, Ray, Optuna or pandas.
"""

from collections.abc import Mapping
from typing import Any

from agsam_tune.study.study import Study
from agsam_tune.study.tables import OPTIONAL_SECTIONS, PHASE_TABLES, SECTIONS, Header

__all__ = ["table_of"]


def table_of(study: Study) -> dict[str, Any]:
    """All that the study says but its search spaces, as a study file says it."""
    resolved = study.resolved()
    sections = {
        name: resolved[name]
        for name in SECTIONS
        if name not in OPTIONAL_SECTIONS or resolved[name] is not None
    }
    return {
        **{key: resolved[key] for key in Header.model_fields},
        "task_options": resolved["task_options"],
        **sections,
        "phases": [_phase(phase) for phase in resolved["phases"]],
    }


def _phase(phase: Mapping[str, Any]) -> dict[str, Any]:
    known = PHASE_TABLES[phase["name"]].model_fields
    table = {key: value for key, value in phase.items() if key in known and value is not None}
    if phase["name"] == "fixed":
        points = phase["fixed"]
        table["points"] = [{"optimizer": p["optimizer"], **p["hyperparameters"]} for p in points]
    return table
