"""`agsam-tune schema`: what a study file or a search-space file may say, for editors.

In: which of them. Out: a JSON Schema, in a file or on standard output. Must not import anything
heavy.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.errors import UsageError


class Kind(StrEnum):
    """What a schema is of."""

    STUDY = "study"
    SEARCH_SPACE = "search-space"


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
    """Print the JSON Schema by which editors complete and check files (docs/own_study.md)."""
    with readable_errors(debug):
        import json

        from agsam_tune.atomic import replace_file
        from agsam_tune.study.schema import search_space_schema, study_schema

        if kind is Kind.SEARCH_SPACE and here:
            raise UsageError("--here: a study's alone; a search space names one optimizer, its own")
        found = (
            study_schema(Path() if here else None) if kind is Kind.STUDY else search_space_schema()
        )
        text = json.dumps(found, indent=2, ensure_ascii=False)
        if out is None:
            typer.echo(text)
            return
        try:
            replace_file(out, f"{text}\n".encode())
        except OSError as error:
            raise UsageError(f"{out}: cannot be written: {error}") from error
