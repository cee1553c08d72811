"""`agsam-tune schema`: what a study file or a search-space file may say, and what a summary says.

In: which of them. Out: a JSON Schema, in a file or on standard output. Must not import anything
heavy but for the summary's.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.errors import UsageError


class Kind(StrEnum):
    """What a schema is of."""

    STUDY = "study"
    SEARCH_SPACE = "search-space"
    SUMMARY = "summary"


def schema(
    kind: Annotated[Kind, typer.Argument(help="The files that it describes.")] = Kind.STUDY,
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="Of a study, allow only tasks and optimizers that there are in this folder now.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="standard output")
    ] = None,
    debug: Debug = False,
) -> None:
    """Print the JSON Schema by which editors complete and check files (docs/own_study.md).

    That of summary says what a run's summary.json holds (docs/after_a_run.md).
    """
    with readable_errors(debug):
        import json

        from agsam_tune.atomic import replace_file

        if kind is not Kind.STUDY and here:
            raise UsageError(f"--here: found {kind}, allowed: with study, whose names it is about")
        found = _schema(kind, Path() if here else None)
        text = json.dumps(found, indent=2, ensure_ascii=False)
        if out is None:
            typer.echo(text)
            return
        try:
            replace_file(out, f"{text}\n".encode())
        except OSError as error:
            raise UsageError(f"{out}: cannot be written: {error}") from error


def _schema(kind: Kind, study_dir: Path | None) -> dict[str, Any]:
    if kind is Kind.SUMMARY:
        from agsam_tune.analysis.record import summary_schema

        return summary_schema()
    from agsam_tune.study.schema import search_space_schema, study_schema

    return study_schema(study_dir) if kind is Kind.STUDY else search_space_schema()
