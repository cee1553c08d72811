"""JSON of trials: a list of records, one record a line, and what `DataFrame.to_json` writes.

In: a path. Out: a `Source`, nested tables still in their cells. Must not import torch, Ray or
Optuna.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from agsam_tune.errors import UsageError
from agsam_tune.importing.files import BROKEN, as_cell, digest_of, text_of, unreadable
from agsam_tune.importing.source import Findings, Source

__all__ = ["json_source", "read_json", "read_json_lines"]


def read_json(path: Path) -> Source:
    """The records of a file: of a list, of lines, or of any form that pandas writes.

    Raises:
        UsageError: it cannot be read, or is something else.
    """
    try:
        text = text_of(path)
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            found = _lines(text, error)
    except (*BROKEN, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UsageError(unreadable(path, error)) from error
    return json_source(str(path), "json", digest_of(path), _records(found))


def read_json_lines(path: Path) -> list[Any]:
    """The records of a file that has one a line.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return [json.loads(line) for line in text_of(path).splitlines() if line.strip()]
    except (*BROKEN, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UsageError(unreadable(path, error)) from error


def json_source(origin: str, kind: str, digest: str, records: list[Any]) -> Source:
    """Records as a table, with all their names as columns.

    Raises:
        UsageError: there are none, or they are none.
    """
    findings = Findings(origin=origin)
    if not any(records):
        findings.add("records", "found none, needed: one a trial")
    others = [i + 1 for i, record in enumerate(records) if not isinstance(record, dict)]
    if others:
        shown = ", ".join(map(str, others[:5]))
        message = f"record {shown}: no object, needed: a list of objects, one a trial"
        findings.add("records", message)
    findings.raise_if_any()
    records = [{name.strip(): cell for name, cell in record.items()} for record in records]
    names = dict.fromkeys(name for record in records for name in record)
    cells = {name: [_plain(record.get(name)) for record in records] for name in names}
    return Source(
        origin=origin,
        kind=kind,
        digest=digest,
        table=pd.DataFrame(cells, dtype=object),
        unit="record",
        labels=tuple(str(row + 1) for row in range(len(records))),
    )


def _lines(text: str, error: json.JSONDecodeError) -> list[Any]:
    """One record a line, where the first line is one; else the error that the whole gave."""
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    try:
        records = [json.loads(lines[0][1])]
    except json.JSONDecodeError:
        raise error from None
    for number, line in lines[1:]:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as broken:
            msg = f"line {number}: {broken.msg}; was the file cut?"
            raise ValueError(msg) from broken
    return records


def _records(found: Any) -> list[Any]:
    """The records of pandas' `orient` columns, index, split, table and records; or a lone one."""
    if not isinstance(found, Mapping):
        return list(found)
    rows, names = found.get("data"), found.get("columns")
    if isinstance(rows, list) and isinstance(names, list):
        is_split = all(isinstance(row, list) and len(row) == len(names) for row in rows)
        return [dict(zip(map(str, names), row, strict=True)) for row in rows] if is_split else rows
    if isinstance(rows, list) and "schema" in found:
        return rows
    inner = list(found.values())
    if not inner or not all(isinstance(value, Mapping) and value for value in inner):
        return [dict(found)]
    if all(key.isdecimal() for key in found):
        return inner
    rows = list(inner[0])
    if all(list(value) == rows for value in inner) and all(key.isdecimal() for key in rows):
        return [{name: column[row] for name, column in found.items()} for row in rows]
    return [dict(found)]


def _plain(cell: object) -> object:
    """A JSON value as a cell; lists as the text that they are."""
    if isinstance(cell, str):
        return as_cell(cell)
    is_plain = cell is None or isinstance(cell, bool | int | float | Mapping)
    return cell if is_plain else json.dumps(cell)
