"""`agsam-tune new`: a study of one's own, to begin from.

In: a name, a task, optimizers. Out: commented files, and the next command on the screen. Must not
import anything heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agsam_tune.cli import completion
from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.paths import command_word


def new(
    name: Annotated[str, typer.Argument(help="The study's name.")],
    task: Annotated[
        str,
        typer.Option(
            help="What is trained: a task's name, or package.module:function for one's own, of "
            "which the module is written too.",
            autocompletion=completion.tasks,
        ),
    ] = "moons",
    optimizers: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Optimizers to compare.",
            show_default="sgd,gsam,adaptive_gsam,gsam_matched",
            autocompletion=completion.optimizers,
        ),
    ] = None,
    folder: Annotated[Path, typer.Option("--dir", help="Where the files go.")] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Write over the study and its search spaces.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Write a study file that runs as it is, with a comment on each key.

    Its search spaces and the schemas for editors are written beside it (docs/own_study.md).
    """
    with readable_errors(debug):
        from agsam_tune.new import DEFAULT_OPTIMIZERS, write_new_study

        asked = None if optimizers is None else [word.strip() for word in optimizers.split(",")]
        files = write_new_study(
            name,
            task=task,
            optimizers=DEFAULT_OPTIMIZERS if asked is None else list(filter(None, asked)),
            folder=folder,
            force=force,
        )
        for path in files.kept:
            typer.echo(f"Kept {path}, which was there")
        for path in files.written:
            typer.echo(f"Wrote {path}")
        if not files.compares:
            typer.echo(
                "Nothing is compared yet: fewer than two of these optimizers have hyperparameters. "
                "docs/own_study.md says how to compare them by lr."
            )
        study = command_word(files.study)
        typer.echo(f"Next: agsam-tune plan {study}, and agsam-tune run {study}")
