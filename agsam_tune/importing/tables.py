"""Tables of trials: a file, all files of a folder, or a frame in memory.

In: a path or a frame. Out: a `Source`, whatever it came from. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from agsam_tune.errors import UsageError
from agsam_tune.importing.files import FileKind, file_kind, read_csv, read_parquet
from agsam_tune.importing.json_tables import read_json
from agsam_tune.importing.ray_tune import read_experiment, with_config
from agsam_tune.importing.source import RECIPES, Source

__all__ = ["read_frame", "read_results", "read_table_file", "read_tables"]

#: What a file of trials in a folder is called.
_ENDINGS = (".csv", ".csv.gz", ".json", ".jsonl", ".ndjson", ".parquet")


def read_tables(path: Path) -> Source:
    """The file, an experiment of Ray Tune, or all files of the folder as one table, by name.

    Raises:
        UsageError: it cannot be read, or is no table.
    """
    if not path.is_dir():
        source = read_table_file(path, file_kind(path))
        if source is None:
            allowed = "CSV, Parquet or JSON, or a folder of these"
            raise UsageError(f"{path}: found an Optuna storage, allowed: {allowed}")
        return source
    if (path / "manifest.json").exists():
        msg = f"{path}: holds a run; name the file of its trials, {path / 'trials.parquet'}"
        raise UsageError(msg)
    if (experiment := read_experiment(path)) is not None:
        return experiment
    files = _files(path)
    if not files:
        needed = f"needed: {', '.join(_ENDINGS)} ({RECIPES} has recipes)"
        raise UsageError(f"{path}: found no file of trials, {needed}")
    return _joined(path, [read_tables(file) for file in files])


def read_results(path: Path) -> Source | None:
    """As `read_tables`; None for a folder in which there is no file of trials yet."""
    is_empty = path.is_dir() and not _files(path) and read_experiment(path) is None
    return None if is_empty else read_tables(path)


def read_table_file(path: Path, kind: FileKind) -> Source | None:
    """The table in a file of that kind; None where it is a storage."""
    readers = {
        FileKind.CSV: read_csv,
        FileKind.PARQUET: read_parquet,
        FileKind.JSON: read_json,
    }
    return with_config(readers[kind](path), path) if kind in readers else None


def read_frame(frame: pd.DataFrame) -> Source:
    """A frame in memory; its rows are called by their numbers from 0."""
    table = frame.reset_index(drop=True)
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    twice = list(dict.fromkeys(table.columns[table.columns.duplicated()]))
    if twice:
        raise UsageError(f"results: more than one column is called {', '.join(twice)}")
    return Source(
        origin="results",
        kind="frame",
        digest=None,
        table=table.astype(object),
        unit="row",
        labels=tuple(str(row) for row in range(len(table))),
    )


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.endswith(_ENDINGS))


def _joined(folder: Path, parts: list[Source]) -> Source:
    digests = "".join(str(part.digest) for part in parts)
    labels = (f"{Path(part.origin).name}:{label}" for part in parts for label in part.labels)
    return Source(
        origin=str(folder),
        kind="tables",
        digest=hashlib.sha256(digests.encode()).hexdigest(),
        table=pd.concat([part.table for part in parts], ignore_index=True).astype(object),
        unit="row",
        labels=tuple(labels),
    )
