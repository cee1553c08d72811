"""Options that several commands have.

In: nothing. Out: annotated types. Must not import anything heavy.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agsam_tune.cli import completion


class Executor(StrEnum):
    """What trains the packs."""

    RAY = "ray"
    INLINE = "inline"


StudyFile = Annotated[
    Path,
    typer.Argument(
        help="The study file, or a name: NAME.toml in this folder, else the built-in study. Or a "
        "run's folder: its study, as it was begun.",
        autocompletion=completion.studies,
    ),
]
RunFolderPath = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="A run's folder.", autocompletion=completion.runs),
]
Out = Annotated[
    Path | None,
    typer.Option(help="The run's folder.", show_default="runs/STUDY, or the folder that is named"),
]
Cpus = Annotated[int | None, typer.Option(min=1, help="Cores to use of this machine.")]
Gpus = Annotated[int | None, typer.Option(min=0, help="GPUs to use of this machine.")]
Data = Annotated[
    Path | None,
    typer.Option(
        envvar="AGSAM_TUNE_DATA", help="Folder to look for data sets in first (docs/data.md)."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key, such as training.epochs=5.",
        autocompletion=completion.keys,
    ),
]
Reuse = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help="Take over the trials of this run that the study would train again; repeatable.",
    ),
]
ExecutorChoice = Annotated[Executor, typer.Option(help="Ray on all cores, or this process alone.")]


def set_data_folder(data: Path | None) -> None:
    """Hand the data folder to the tasks, in this process and in the workers it starts."""
    if data is None:
        return
    import os

    from agsam_tune.data.finding import VARIABLE, existing_folder

    os.environ[VARIABLE] = str(existing_folder(data).resolve())
