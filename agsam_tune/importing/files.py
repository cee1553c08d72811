"""Files of trials: what a file is, and CSV and Parquet as programs and spreadsheets write them.

In: a path. Out: a `Source` whose rows are called as the file counts them. What a file is follows
from its content, not from its name. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import pandas as pd

from agsam_tune.errors import UsageError
from agsam_tune.importing.source import RECIPES, Findings, Source
from agsam_tune.regular import check_regular

__all__ = [
    "BROKEN",
    "FileKind",
    "as_cell",
    "digest_of",
    "file_kind",
    "read_csv",
    "read_parquet",
    "text_of",
    "unreadable",
]

_OTHERS = {b"PK": "a spreadsheet or an archive", b"\x80": "a pickle, which is not read"}
_DELIMITERS = (",", ";", "\t", "|")
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "<na>"})
#: What opening a file, gzip or not, may raise.
BROKEN = (OSError, EOFError, zlib.error)
# Excel's first line that says what separates cells, and no header.
_SEPARATOR = re.compile(r"\s*\"?sep=([,;\t|])\"?\s*", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_ONE_MARK = re.compile(r"[+-]?\d*([.,])\d+(?:[eE][+-]?\d+)?")
# A number that may have its thousands apart: 1.024, 1.024.000, 1.024,5.
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}(?:\1\d{3})*(?:[.,]\d+)?")


class FileKind(StrEnum):
    """What a file is by its first bytes."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
    JOURNAL = "journal"
    SQLITE = "sqlite"


def file_kind(path: Path) -> FileKind:
    """What the file holds.

    Raises:
        UsageError: it is not there, cannot be read, is empty, or is of a kind that is not read.
    """
    try:
        check_regular(path)
        with path.open("rb") as file:
            head = file.read(64)
            if head[:2] == b"\x1f\x8b":
                with gzip.open(path) as inside:
                    head = inside.read(64)
    except BROKEN as error:
        raise UsageError(unreadable(path, error)) from error
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise UsageError(f"{path}: cannot be imported: the file is empty")
    if head[:4] == b"PAR1":
        return FileKind.PARQUET
    if head[:15] == b"SQLite format 3":
        return FileKind.SQLITE
    if start[:12] == b'{"op_code": ' or start[:11] == b'{"op_code":':
        return FileKind.JOURNAL
    if start.startswith((b"[", b"{")):
        return FileKind.JSON
    for beginning, what in _OTHERS.items():
        if head.startswith(beginning):
            msg = f"{path}: cannot be imported: it is {what}; save the table as CSV or Parquet"
            raise UsageError(f"{msg} ({RECIPES} has recipes)")
    return FileKind.CSV


def read_csv(path: Path) -> Source:
    """A table of texts separated by `,`, `;`, tab or `|`, whichever the header has most of.

    A byte-order mark, gzip and blank lines are taken as they come. Where the separator is no
    comma, 0,85 is a number with a decimal comma.

    Raises:
        UsageError: it cannot be read, has no rows, or its rows do not fit its header.
    """
    try:
        records, delimiter = _records(path)
    except (*BROKEN, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(unreadable(path, error)) from error
    findings = Findings(origin=str(path))
    (_, header), *rows = records
    names = [name.strip() for name in header]
    if not rows:
        findings.add("rows", "found none below the header, needed: one a trial")
    for name, count in Counter(names).items():
        if count > 1 and name:
            findings.add(f"column {name!r}", f"found {count} of this name, allowed: one")
    _check_widths(rows, len(names), findings)
    findings.raise_if_any()
    cells = {n: [row[place] for _, row in rows] for place, n in enumerate(names) if n}
    if delimiter != ",":
        _check_grouping(cells, findings)
        findings.raise_if_any()
        cells = {name: [_with_point(cell) for cell in own] for name, own in cells.items()}
    table = {name: [as_cell(cell) for cell in own] for name, own in cells.items()}
    return Source(
        origin=str(path),
        kind="csv",
        digest=digest_of(path),
        table=pd.DataFrame(table, dtype=object),
        unit="line",
        labels=tuple(str(line) for line, _ in rows),
    )


def read_parquet(path: Path) -> Source:
    """A Parquet file; levels of its index that have a name are columns too.

    Raises:
        UsageError: it cannot be read, or has no rows.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, ImportError) as error:
        raise UsageError(unreadable(path, error)) from error
    if any(table.index.names):
        table = table.reset_index()
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    findings = Findings(origin=str(path))
    if not len(table):
        findings.add("rows", "found none, needed: one a trial")
    for name in table.columns[table.columns.duplicated()]:
        findings.add(f"column {name!r}", "found more than one of this name, allowed: one")
    findings.raise_if_any()
    return Source(
        origin=str(path),
        kind="parquet",
        digest=digest_of(path),
        table=table.reset_index(drop=True).astype(object),
        unit="row",
        labels=tuple(str(row + 1) for row in range(len(table))),
    )


def _records(path: Path) -> tuple[list[tuple[int, list[str]]], str]:
    """(first line, cells) of every record that is not blank, and what separates the cells."""
    text = text_of(path)
    first = next(line for line in text.splitlines() if line.strip())
    said = _SEPARATOR.fullmatch(first)
    delimiter = said[1] if said else max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records, line = [], 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                records.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        msg = f"line {line}: {error}; are its quotes closed?"
        raise csv.Error(msg) from error
    return records[1:] if said else records, delimiter


def text_of(path: Path) -> str:
    """A file's text, unpacked, without a byte-order mark, line ends as they are."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opened = gzip.open if packed else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as text:
        return text.read()


def _check_grouping(cells: Mapping[str, Sequence[str]], findings: Findings) -> None:
    """No column has only numbers like 1.024 where others have decimal commas, or the reverse."""
    grouped: dict[str, dict[str, str]] = {}
    decimal: dict[str, dict[str, str]] = {}
    for name, own in cells.items():
        for cell in map(str.strip, own):
            for form, found in ((_GROUPED, grouped), (_ONE_MARK, decimal)):
                if match := form.fullmatch(cell):
                    found.setdefault(name, {}).setdefault(match[1], cell)
                    break
    surely = {mark: cell for own in decimal.values() for mark, cell in own.items()}
    for name, first in grouped.items():
        for mark, cell in first.items():
            other = "," if mark == "." else "."
            if other in surely and mark not in decimal.get(name, {}):
                message = f"found {cell} beside {surely[other]} in other cells; is it a thousand?"
                findings.add(f"column {name!r}", f"{message} Write numbers without grouping")


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell.strip()) else cell


def as_cell(text: str) -> str | None:
    """A cell's text, None where it says that there is nothing.

    Python's None stays: of a setting it is one.
    """
    stripped = text.strip()
    return None if stripped.lower() in _MISSING and stripped != "None" else stripped


def _check_widths(rows: Sequence[tuple[int, list[str]]], width: int, findings: Findings) -> None:
    """Every row has the header's number of cells; empty ones at its end are cut."""
    wrong = []
    for line, row in rows:
        while len(row) > width and not row[-1].strip():
            row.pop()
        if len(row) != width:
            wrong.append((line, len(row)))
    if wrong:
        shown = ", ".join(f"line {line} has {count}" for line, count in wrong[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        findings.add("cells", f"the header has {width}, but {shown}{more}")


def digest_of(*paths: Path) -> str:
    """SHA-256 of the files' bytes, one after another."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def unreadable(path: Path, error: Exception) -> str:
    """One line; why a file cannot be opened is said by the system's own words."""
    if isinstance(error, IsADirectoryError):
        return f"{path}: is a folder; import a file, or report on a run with agsam-tune report"
    if isinstance(error, UnicodeDecodeError):
        line = error.object[: error.start].count(b"\n") + 1
        return f"{path}: cannot be imported: line {line} is no text in UTF-8; save the file as that"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{path}: cannot be read: {(reason.splitlines() or [type(error).__name__])[0]}"
