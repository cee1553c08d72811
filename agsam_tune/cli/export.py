"""`agsam-tune export`: a run's trials as a table.

In: a run's folder. Out: CSV, Parquet or JSON, in a file or on standard output. Heavy packages
are imported inside the command. Must not import torch or Ray.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.errors import UsageError


class TableFormat(StrEnum):
    """What `export` writes."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    format_: Annotated[
        TableFormat | None,
        typer.Option("--format", help="What to write.", show_default="as --out ends, else csv"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="standard output")
    ] = None,
    debug: Debug = False,
) -> None:
    """Write the trials as CSV, Parquet or JSON."""
    with readable_errors(debug):
        from agsam_tune.atomic import replace_file
        from agsam_tune.cli.quiet import quieten
        from agsam_tune.export import table_bytes
        from agsam_tune.reporting import read_run

        quieten()
        kind = format_ or _format_of(out)
        content = table_bytes(read_run(folder).trials, kind.value)
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
        return TableFormat(ending)
    except ValueError:
        allowed = ", ".join(TableFormat)
        msg = f"{path}: its ending is no format; name one with --format: {allowed}"
        raise UsageError(msg) from None
