"""`agsam-tune data`: the files that tasks need: where they are, and fetching them ahead.

In: names of tasks. Out: a line for each on the screen; with `--fetch`, the files. Heavy packages
are imported inside the command. Must not import torch or Ray.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from agsam_tune.cli import completion
from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.cli.options import Data, set_data_folder
from agsam_tune.errors import UsageError


def data_(
    task: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TASK]...",
            help="Tasks to look after.",
            show_default="all that need files",
            autocompletion=completion.data_tasks,
        ),
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option(
            "--fetch",
            help="Download what is missing, into the folder of --data or else the cache, and "
            "verify all.",
        ),
    ] = False,
    data: Data = None,
    debug: Debug = False,
) -> None:
    """Say where the files of tasks are, or download them ahead (docs/data.md).

    For machines without internet: fetch them where there is some, and copy the folder.
    """
    with readable_errors(debug):
        sets = _data_sets(task or ())
        set_data_folder(data)
        # All that takes its time to import comes after what may be wrong in the command.
        from agsam_tune.data import DataError
        from agsam_tune.data.looking import fetch_ahead, look

        problems, missing = [], False
        for name, tasks in sets.items():
            names = ", ".join(tasks)
            try:
                if fetch:
                    source = fetch_ahead(name)
                    kind = "as published" if source["published"] else "not the published files"
                    count = f"{source['train_images']:,} and {source['test_images']:,} images"
                    typer.echo(f"{names}: {look(name).folder}: verified, {count}, {kind}")
                    continue
                found = look(name)
            except DataError as error:
                problems.append(f"{names}: {error}")
                continue
            missing = missing or not found.found
            size = f"{found.download_bytes / 1e6:,.0f} MB"
            text = "found" if found.found else f"not there; {size} to download"
            typer.echo(f"{names}: {found.folder}: {text}")
        if missing:
            typer.echo("A run downloads what it needs; --fetch does so now.")
        if problems:
            raise UsageError("\n".join(problems))


def _data_sets(tasks: Sequence[str]) -> dict[str, list[str]]:
    """Data set → the tasks that read it, of those that were named or of all."""
    from agsam_tune.listing import data_sets, task_names
    from agsam_tune.study.errors import unknown_name

    known = data_sets()
    found: dict[str, list[str]] = {}
    for task in dict.fromkeys(tasks or known):
        if task in known:
            found.setdefault(known[task], []).append(task)
        elif task in task_names():
            typer.echo(f"{task}: needs no files that are looked for")
        else:
            raise UsageError(f"TASK: {unknown_name(task, task_names())}")
    return found
