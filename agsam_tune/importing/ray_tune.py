"""Experiments of Ray Tune: the folder of an experiment or of one trial.

In: a path. Out: a `Source` with the last report of each trial, its `config`, and the state that
the experiment's own file says it is in. Nothing is unpickled. Must not import torch, Ray or
Optuna.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.importing.files import BROKEN, digest_of, text_of, unreadable
from agsam_tune.importing.json_tables import json_source, read_json_lines
from agsam_tune.importing.source import Source

__all__ = ["read_experiment", "with_config"]

_CONFIG, _REPORTS, _ERROR = "params.json", "result.json", "error.txt"
_STATES = "experiment_state-*.json"


def read_experiment(folder: Path) -> Source | None:
    """The trials of the folder, the last report of each; None where it is no such folder.

    Raises:
        UsageError: a file of it cannot be read.
    """
    own = [folder.resolve()] if (folder / _CONFIG).is_file() else []
    trials = own or sorted(path.parent for path in folder.glob(f"*/{_CONFIG}"))
    is_rays = any((trial / _REPORTS).is_file() for trial in trials)
    if not is_rays and not any(folder.glob(_STATES)):
        return None  # other programs call their files so too
    states = _states(trials[0].parent)
    rows = [_row(trial, states) for trial in trials]
    reports = [trial / _REPORTS for trial in trials if (trial / _REPORTS).is_file()]
    source = json_source(str(folder), "ray", digest_of(*reports), rows)
    return replace(source, unit="trial", labels=tuple(_label(trial.name) for trial in trials))


def with_config(source: Source, path: Path) -> Source:
    """A trial's `progress.csv` or `result.json` with the settings beside it, if it lacks them."""
    beside = path.parent / _CONFIG
    if path.name not in ("progress.csv", _REPORTS) or not beside.is_file():
        return source
    if any(name == "config" or name.startswith("config/") for name in source.table):
        return source
    config = _read(beside)
    return replace(source, table=source.table.assign(config=[config] * len(source.table)))


def _row(trial: Path, states: Mapping[str, str]) -> dict[str, Any]:
    file = trial / _REPORTS
    reports = read_json_lines(file) if file.is_file() else []
    last = reports[-1] if reports and isinstance(reports[-1], dict) else {}
    failed = "ERROR" if (trial / _ERROR).exists() else "TERMINATED"
    state = states.get(trial.name, failed if last else "PENDING")
    return {**last, "config": _read(trial / _CONFIG), "status": state}


def _states(folder: Path) -> dict[str, str]:
    """Trial's folder → its state, by the last of the experiment's files."""
    files = sorted(folder.glob(_STATES))
    if not files:
        return {}
    found = _read(files[-1])
    trials = found.get("trial_data") if isinstance(found, Mapping) else None
    states = {}
    for entry in trials if isinstance(trials, list) else []:
        text = entry[0] if isinstance(entry, list) and entry else entry
        trial = _parsed(text, files[-1]) if isinstance(text, str) else text
        if isinstance(trial, Mapping) and {"relative_logdir", "status"} <= trial.keys():
            states[str(trial["relative_logdir"])] = str(trial["status"])
    return states


def _read(path: Path) -> Any:
    try:
        return _parsed(text_of(path), path)
    except (*BROKEN, UnicodeDecodeError) as error:
        raise UsageError(unreadable(path, error)) from error


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(unreadable(path, error)) from error


def _label(name: str) -> str:
    """`f_904cc_00006_6_rho=…` → `f_904cc_00006`, as Ray calls the trial."""
    parts = name.split("_")
    place = next((i for i, part in enumerate(parts) if part.isdecimal() and len(part) == 5), None)
    return name if place is None else "_".join(parts[: place + 1])
