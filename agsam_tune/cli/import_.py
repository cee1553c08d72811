"""`agsam-tune import`: trials made elsewhere, and their report.

In: a table, an Optuna study, and options. Out: a run's folder, and the claim on the screen.
Heavy packages are imported inside the command. Must not import torch or Ray.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agsam_tune.cli.claim import print_claim
from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.cli.options import Overrides
from agsam_tune.errors import UsageError

if TYPE_CHECKING:
    from agsam_tune.importing import Imported, ImportOptions
    from agsam_tune.reporting import StoredRun

# The options of `import`, apart from it for its length.
Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="CSV, Parquet or JSON, a folder of these or of Ray Tune, an Optuna journal or SQLite "
        "file, a storage URL, or the folder of a run.",
    ),
]
Other = Annotated[
    str | None,
    typer.Argument(
        metavar="OTHER",
        help="What FILE is compared with, another such source: the candidate is from FILE, the "
        "baseline from OTHER, where both have them.",
        show_default=False,
    ),
]
Ranges = Annotated[
    list[str] | None,
    typer.Option(
        "--range",
        metavar="NAME=LOW:HIGH",
        help="What a hyperparameter was searched in, such as rho=0.005:8; may be repeated.",
        show_default="from the data",
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        help="The hyperparameter that sets the scale of a comparison.",
        show_default="rho where both have it, else lr",
    ),
]
Factor = Annotated[
    float, typer.Option(min=1.01, help="By how much everything is off in the phase off.")
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
        show_default="every other column that varies, but clocks, counters and measurements",
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
        help="The column that is the test accuracy; of an Optuna storage, the user attribute.",
        show_default="test_accuracy, else the only one that it can be",
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        min=1e-6,
        max=0.5,
        help="Differences within ± this count as none.",
        show_default="0.02, half in own_scale",
    ),
]
TestSize = Annotated[
    int | None, typer.Option(min=1, help="Examples in the test split, for its own error.")
]
StudyOption = Annotated[
    Path | None,
    typer.Option(
        metavar="STUDY",
        help="The study file that `agsam-tune design` asked for these trials by: names, roles, "
        "ranges, phases and analysis are as it says.",
    ),
]
_OWN = "FILE's own"


def import_(
    source: Source,
    other: Other = None,
    *,
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
    range_: Ranges = None,
    key: Key = None,
    factor: Factor = 10.0,
    metric: Metric = None,
    margin: Margin = None,
    study: StudyOption = None,
    set_: Overrides = None,
    test_size: TestSize = None,
    debug: Debug = False,
) -> None:
    """Read trials made elsewhere, or compare two runs, and write the report (docs/import.md).

    Needed are the columns optimizer and test_accuracy, and the hyperparameters. Tables of W&B,
    MLflow, Ray Tune, Optuna and Syne Tune are read as they are.
    """
    with readable_errors(debug):
        from agsam_tune.importing import ImportOptions, import_trials
        from agsam_tune.manifest import command_line
        from agsam_tune.quiet import quieten
        from agsam_tune.reporting import report_run

        quieten()
        options = ImportOptions(
            source=source,
            other=other,
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
            ranges=dict(map(_range, range_ or ())),
            key=key,
            factor=factor,
            margin=0.02 if margin is None else margin,
            test_size=test_size,
            command=command_line(),
        )
        if study is None and set_:
            raise UsageError("found --set without --study, whose keys it overrides")
        if study is None:
            imported = import_trials(options, _runs(source, other))
        else:
            imported = _of_the_study(study, set_ or (), options, margin_given=margin is not None)
        optimizers = ", ".join(imported.study.optimizers)
        plural = "" if imported.trials == 1 else "s"
        typer.echo(f"{imported.trials} trial{plural} of {optimizers}")
        for note in imported.notes:
            typer.echo(note)
        print_claim(report_run(out), out)


def _range(text: str) -> tuple[str, tuple[float, float]]:
    """`rho=0.005:8` as its name and its ends."""
    name, _, ends = text.partition("=")
    try:
        low, high = map(float, ends.split(":"))
    except ValueError:
        low, high = 0.0, 0.0
    if not (name.strip() and math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--range: found {text!r}, allowed: NAME=LOW:HIGH, such as rho=0.005:8")
    return name.strip(), (low, high)


def _runs(*sources: str | None) -> dict[str, StoredRun]:
    """What is stored in those sources that are folders of runs."""
    from agsam_tune.reporting import read_run

    return {
        source: read_run(Path(source), curves=False)
        for source in sources
        if source is not None and (Path(source) / "manifest.json").is_file()
    }


def _of_the_study(
    study: Path, overrides: Sequence[str], options: ImportOptions, *, margin_given: bool
) -> Imported:
    """Import what the study's design asked for, which is told what the study says."""
    said: dict[str, object] = {
        "--candidate": options.candidate,
        "--baseline": options.baseline,
        "--control": options.control,
        "--name": options.name,
        "--task": options.task,
        "--hyperparameter": options.hyperparameters,
        "--search-spaces": options.search_spaces,
        "--range": options.ranges,
        "--key": options.key,
        "--metric": options.metric,
        "--margin": margin_given,
        "a second source": options.other,
    }
    if given := [option for option, value in said.items() if value]:
        msg = f"found --study with {', '.join(given)}, which the study file says; leave them out"
        raise UsageError(msg)
    from agsam_tune.elsewhere import next_trials
    from agsam_tune.importing import import_told, read_tables, read_told
    from agsam_tune.study import find_study, load_study

    file = find_study(study)
    loaded = load_study(file, overrides=overrides, trained_elsewhere=True)
    source = read_tables(Path(options.source))
    told = read_told(source, loaded, chance=options.chance, for_report=True)
    asked = next_trials(loaded, told)
    return import_told(
        told,
        asked.told,
        loaded,
        replace(options, study_file=file),
        complete=len(asked.told) == asked.total,
        radius_range=asked.radius_range,
    )
