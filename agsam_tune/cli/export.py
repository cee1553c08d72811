"""`agsam-tune export`: a run's trials, learning curves or estimates as a table.

In: a run's folder. Out: CSV, Parquet, JSON, Markdown or LaTeX, in a file or on standard output.
Heavy packages are imported inside the command. Must not import torch or Ray.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.cli.options import RunFolderPath
from agsam_tune.errors import UsageError


class TableFormat(StrEnum):
    """What `export` writes."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
    MD = "md"
    LATEX = "latex"


class TableName(StrEnum):
    """Of what."""

    TRIALS = "trials"
    CURVES = "curves"
    ESTIMATES = "estimates"
    COMPARISONS = "comparisons"


# For people, who do not read a row a trial.
_TO_READ = {TableFormat.MD, TableFormat.LATEX}
_LONG = {TableName.TRIALS, TableName.CURVES}
_ENDINGS = {**{one.value: one for one in TableFormat}, "tex": TableFormat.LATEX}


def export(
    folder: RunFolderPath,
    table: Annotated[
        TableName,
        typer.Option(help="One row a trial, a trial and epoch, an estimate, or a difference."),
    ] = TableName.TRIALS,
    format_: Annotated[
        TableFormat | None,
        typer.Option(
            "--format",
            help="What to write; md and latex of estimates and comparisons alone.",
            show_default="as --out ends, else csv",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="standard output")
    ] = None,
    debug: Debug = False,
) -> None:
    """Write the trials, the learning curves or the estimates as a table."""
    with readable_errors(debug):
        kind = format_ or _format_of(out)
        if kind in _TO_READ and table in _LONG:
            allowed = ", ".join(one for one in TableFormat if one not in _TO_READ)
            raise UsageError(f"{table}: found the format {kind}, allowed: {allowed}")
        from agsam_tune.atomic import replace_file
        from agsam_tune.export import run_table, table_bytes
        from agsam_tune.quiet import quieten

        quieten()
        content = table_bytes(run_table(folder, table.value), kind.value)
        if out is None:
            sys.stdout.buffer.write(content)
            return
        try:
            replace_file(out, content)
        except OSError as error:
            raise UsageError(f"{out}: cannot be written: {error}") from error


def _format_of(path: Path | None) -> TableFormat:
    ending = path.suffix.lstrip(".") if path else "csv"
    try:
        return _ENDINGS[ending]
    except KeyError:
        allowed = ", ".join(TableFormat)
        msg = f"{path}: its ending is no format; name one with --format: {allowed}"
        raise UsageError(msg) from None
