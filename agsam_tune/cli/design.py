"""`agsam-tune design`: the trials of a study that another program is to train now.

In: a study file, and a table of what was trained. Out: a table of trials, and on the screen what
comes next. Heavy packages are imported inside the command. Must not import torch or Ray.
"""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.cli.export import TableFormat
from agsam_tune.cli.import_ import Chance
from agsam_tune.cli.options import Overrides, StudyFile
from agsam_tune.errors import UsageError
from agsam_tune.paths import command_word

if TYPE_CHECKING:
    from agsam_tune.elsewhere import Asked


def design(
    study: StudyFile,
    out: Annotated[Path, typer.Option(help="The table to write: .csv, .parquet or .json.")],
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What was trained so far: such a table with its outcomes, or a folder of these.",
        ),
    ] = None,
    chance: Chance = None,
    set_: Overrides = None,
    debug: Debug = False,
) -> None:
    """Write the trials to train now with a training script of one's own (docs/own_training.md).

    Without --results those that need no outcome of others; with them what follows. The study's task
    may have any name: nothing of it is loaded.
    """
    with readable_errors(debug):
        from agsam_tune.study import find_study, load_study

        kind = _format_of(out)
        study_file = find_study(study)
        loaded = load_study(study_file, overrides=set_ or (), trained_elsewhere=True)
        from agsam_tune.atomic import replace_file
        from agsam_tune.elsewhere import asked_table, next_trials
        from agsam_tune.export import table_bytes
        from agsam_tune.importing import read_results, read_told
        from agsam_tune.quiet import quieten

        quieten()
        _check_out(out, results)
        source = None if results is None else read_results(results)
        told = None if source is None else read_told(source, loaded, chance=chance)
        for note in told.notes if told else ():
            typer.echo(note)
        asked = next_trials(loaded, told)
        try:
            replace_file(out, table_bytes(asked_table(loaded, asked.trials), kind))
        except OSError as error:
            raise UsageError(f"{out}: cannot be written: {error}") from error
        typer.echo(f"{loaded.name}: {_said(asked)}")
        if asked.radius_problem:
            typer.echo(f"The phase radius has no trials: {asked.radius_problem}.")
        given = [f"--set {shlex.quote(text)}" for text in set_ or ()]
        if chance is not None:
            given.append(f"--chance {chance:g}")
        typer.echo(_next(asked, str(study), out, results, given))


def _said(asked: Asked) -> str:
    """How many trials are done, are to be trained now, and follow from these."""
    if not asked.trials:
        return f"nothing is left to train: {len(asked.told)} of {asked.total} trials are there"
    phases = Counter(trial.phase for trial in asked.trials)
    now = ", ".join(f"{phase} {n}" for phase, n in phases.items())
    done = f", {len(asked.told)} are done" if asked.told else ""
    later = f", {asked.later} follow from results" if asked.later else ""
    return f"{len(asked.trials)} of {asked.total} trials to train now ({now}){done}{later}"


def _next(asked: Asked, study: str, out: Path, results: Path | None, given: list[str]) -> str:
    """The next command."""
    table = command_word(results or "done.csv")
    if asked.trials:
        words = ["agsam-tune design", command_word(study), "--results", table, "--out"]
        place = f"a table in {table}" if results and results.is_dir() else table
        command = " ".join([*words, command_word(out), *given])
        return (
            f"Wrote {out}. Train them, write each row with its test_accuracy and val_accuracy to "
            f"{place}, beside the earlier ones, and then:\n  {command}"
        )
    name = Path(study).stem
    words = ["agsam-tune import", table, "--study", command_word(study), "--out", f"runs/{name}"]
    return f"The report:\n  {' '.join([*words, *given])}"


def _format_of(path: Path) -> str:
    ending = path.suffix.lstrip(".")
    if ending not in list(TableFormat):
        allowed = ", ".join(f".{kind}" for kind in TableFormat)
        raise UsageError(f"{path}: found the ending {path.suffix!r}, allowed: {allowed}")
    return ending


def _check_out(out: Path, results: Path | None) -> None:
    """Nothing that was trained is written over."""
    from agsam_tune.importing import read_tables

    if results is not None and results.resolve() in (out.resolve(), out.resolve().parent):
        raise UsageError(f"{out}: is or is among the results; choose another file with --out")
    if not out.is_file():
        return
    try:
        columns = list(read_tables(out).table.columns)
    except UsageError:  # such as a table without rows, when nothing was left to train
        return
    if "test_accuracy" in columns:
        raise UsageError(
            f"{out}: holds results, which would be lost; choose another file with --out"
        )
