"""The command line: parses, calls, prints.

In: arguments. Out: exit codes 0 done, 1 a failure, 2 wrong use, 3 stopped with everything
so far kept. Heavy packages are imported inside the commands that need them, so that
`--help` and `list` answer at once.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from agsam_tune import __version__
from agsam_tune.errors import AgsamTuneError, ExitCode, UsageError

app = typer.Typer(
    name="agsam-tune",
    help="How much accuracy optimizers lose when their hyperparameters are mis-set.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]


class Executor(StrEnum):
    """What trains the packs."""

    RAY = "ray"
    INLINE = "inline"


class TableFormat(StrEnum):
    """What `export` writes."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """How much accuracy optimizers lose when their hyperparameters are mis-set."""


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study file, such as studies/moons.toml.")],
    out: Annotated[
        Path | None, typer.Option(help="The run's folder.", show_default="runs/STUDY")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Where results lie: a journal's path, sqlite:///…, postgresql+psycopg://….",
            show_default="a journal in the run's folder",
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Attach to this Ray cluster: auto, or HOST:PORT.")
    ] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="Cores to use of this machine.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs to use of this machine.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="AGSAM_TUNE_DATA", help="Folder to look for data sets in first (docs/data.md)."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key, such as training.epochs=5."
        ),
    ] = None,
    time_budget: Annotated[
        str | None, typer.Option(help="Start no more packs after this long: 90s, 20m, 1h30m.")
    ] = None,
    executor: Annotated[
        Executor, typer.Option(help="Ray on all cores, or this process alone.")
    ] = Executor.RAY,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write the report, or the trials alone.")
    ] = True,
    debug: Debug = False,
) -> None:
    """Run a study, or carry it on, and write its report."""
    with _readable_errors(debug):
        from agsam_tune.passwords import without_password
        from agsam_tune.signals import interrupt_on_sigterm
        from agsam_tune.study import load_study

        interrupt_on_sigterm()
        _quieten()
        _set_data_folder(data)
        if address is not None and (cpus or gpus) is not None:
            raise UsageError("--cpus and --gpus are this machine's; leave them out with --address")
        if address is not None and executor is Executor.INLINE:
            raise UsageError("--address is a cluster's; leave it out with --executor inline")
        budget = None if time_budget is None else _seconds(time_budget)
        loaded = load_study(study, overrides=set_ or ())
        # All that takes its time to import comes after what may be wrong in a file or a key.
        from rich.console import Console

        from agsam_tune.manifest import command_line
        from agsam_tune.run import RunOptions, run_study
        from agsam_tune.store import StorageError, storage_location

        try:
            location = None if storage is None else storage_location(storage)
        except StorageError as error:
            raise UsageError(f"--storage {without_password(storage or '')}: {error}") from error
        options = RunOptions(
            out=out or Path("runs") / loaded.name,
            storage=location,
            executor=executor.value,
            address=address,
            cpus=cpus,
            gpus=gpus,
            time_budget=budget,
            import_path=(str(study.resolve().parent), str(Path.cwd())),
            command=command_line(),
            report=report,
        )
        code = run_study(loaded, options, Console())
    raise typer.Exit(code)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Runs' folders.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write; with several DIRs, their comparison.",
            show_default="the run's folder; comparison beside the first DIR",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Rebuild the tables, the estimates and the report from what is stored.

    With several folders, also write a comparison across their tasks.
    """
    with _readable_errors(debug):
        from agsam_tune.reporting import report_run, report_runs

        _quieten()
        if len(folders) > 1:
            report_runs(folders, out=out, said=lambda place, found: _print_claim(found, place))
        else:
            _print_claim(report_run(folders[0], out=out), out or folders[0])


# The options of `import`, apart from it for its length.
Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="CSV, Parquet, an Optuna journal or SQLite file, or a storage URL."
    ),
]
Chance = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Accuracy of guessing, a fraction: what a diverged trial counts with.",
        show_default="0, and needed where trials diverged",
    ),
]
Hyperparameter = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="A column that is one; may be repeated.",
        show_default="every other column of numbers",
    ),
]
SearchSpaces = Annotated[
    Path | None,
    typer.Option(
        help="Folder of OPTIMIZER.toml files with exact ranges.", show_default="from the data"
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        help="Of Optuna trials, the user attribute that is the test accuracy.",
        show_default="test_accuracy, else the value",
    ),
]
Margin = Annotated[
    float, typer.Option(min=1e-6, max=0.5, help="Differences within ± this count as none.")
]
TestSize = Annotated[
    int | None, typer.Option(min=1, help="Examples in the test split, for its own error.")
]
_OWN = "FILE's own"


@app.command("import")
def import_(
    source: Source,
    out: Annotated[Path, typer.Option(help="The folder to make: a new one.")],
    candidate: Annotated[
        str | None, typer.Option(help="The optimizer that is claimed to be more robust.")
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="What it is compared with.")] = None,
    control: Annotated[
        str | None, typer.Option(help="The baseline's direction with the candidate's step length.")
    ] = None,
    chance: Chance = None,
    name: Annotated[
        str | None,
        typer.Option(help="The study's name, or which of FILE's.", show_default=_OWN),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="The task's name, or which of FILE's.", show_default=_OWN)
    ] = None,
    hyperparameter: Hyperparameter = None,
    search_spaces: SearchSpaces = None,
    metric: Metric = None,
    margin: Margin = 0.005,
    test_size: TestSize = None,
    debug: Debug = False,
) -> None:
    """Read trials made elsewhere, and write their report (docs/import.md).

    Needed are the columns optimizer, point, seed and test_accuracy, and the hyperparameters.
    """
    with _readable_errors(debug):
        from agsam_tune.importing import ImportOptions, import_trials
        from agsam_tune.manifest import command_line
        from agsam_tune.reporting import report_run

        _quieten()
        options = ImportOptions(
            source=source,
            out=out,
            candidate=candidate,
            baseline=baseline,
            control=control,
            chance=chance,
            name=name,
            task=task,
            metric=metric,
            hyperparameters=tuple(hyperparameter or ()),
            search_spaces=search_spaces,
            margin=margin,
            test_size=test_size,
            command=command_line(),
        )
        imported = import_trials(options)
        optimizers = ", ".join(imported.study.optimizers)
        plural = "" if imported.trials == 1 else "s"
        typer.echo(f"{imported.trials} trial{plural} of {optimizers}")
        for note in imported.notes:
            typer.echo(note)
        _print_claim(report_run(out), out)


@app.command()
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
    with _readable_errors(debug):
        from agsam_tune.atomic import replace_file
        from agsam_tune.export import table_bytes
        from agsam_tune.reporting import read_run

        _quieten()
        kind = format_ or _format_of(out)
        content = table_bytes(read_run(folder).trials, kind.value)
        if out is None:
            sys.stdout.buffer.write(content)
            return
        try:
            replace_file(out, content)
        except OSError as error:
            raise UsageError(f"{out}: cannot be written: {error}") from error


@app.command("list")
def list_(debug: Debug = False) -> None:
    """List the tasks, optimizers, search spaces and studies there are."""
    with _readable_errors(debug):
        from agsam_tune.listing import listing

        typer.echo(listing())


def main() -> None:
    """The console command."""
    app()


@contextmanager
def _readable_errors(debug: bool) -> Iterator[None]:
    """Turn exceptions into one message and an exit code."""
    from agsam_tune.study import StudyError

    code = ExitCode.FAILURE
    try:
        yield
        return
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        code, text = ExitCode.STOPPED, "stopped; the same command carries on"
    except StudyError as error:
        code, text = ExitCode.WRONG_USE, str(error)
    except AgsamTuneError as error:
        code, text = error.exit_code, str(error)
    except Exception as error:  # noqa: BLE001  (the last stop before the user)
        text = f"{type(error).__name__}: {error}\nThis is a fault; --debug shows where."
    if debug:
        traceback.print_exc()
    typer.echo(f"agsam-tune: {text}", err=True)
    raise typer.Exit(code)


def _print_claim(summary: Mapping[str, Any], folder: Path) -> None:
    """What a report says first, and where it is."""
    claim = summary.get("claim") or {}
    typer.echo(claim.get("text") or f"{folder}: no claim to judge")
    typer.echo(f"Report: {folder / 'report.html'}")


def _quieten() -> None:
    """Optuna logs every trial otherwise."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _set_data_folder(data: Path | None) -> None:
    """Hand the data folder to the tasks, in this process and in the workers it starts."""
    import os

    from agsam_tune.data.finding import VARIABLE, existing_folder

    if data is not None:
        os.environ[VARIABLE] = str(existing_folder(data).resolve())


def _seconds(text: str) -> float:
    """Seconds of 90, 90s, 20m, 2h or 1h30m."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    part = r"\d+(?:\.\d+)?"
    if not re.fullmatch(rf"({part}h)?({part}m)?({part}s)?", text) or not text:
        raise UsageError(f"--time-budget {text}: write it as 90 (seconds), 90s, 20m, 2h or 1h30m")
    return sum(float(n) * units[unit] for n, unit in re.findall(rf"({part})([hms])", text))


def _format_of(path: Path | None) -> TableFormat:
    ending = path.suffix.lstrip(".") if path else "csv"
    try:
        return TableFormat(ending)
    except ValueError:
        allowed = ", ".join(TableFormat)
        msg = f"{path}: its ending is no format; name one with --format: {allowed}"
        raise UsageError(msg) from None
