"""`agsam-tune plan`: what a study will take and what it can find.

In: a study file. Out: the plan on the screen, and JSON if asked. Must not import torch or Ray.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.cli.options import (
    Cpus,
    Data,
    Executor,
    ExecutorChoice,
    Gpus,
    Out,
    Overrides,
    Reuse,
    StudyFile,
    set_data_folder,
)


def plan(
    study: StudyFile,
    out: Out = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    data: Data = None,
    set_: Overrides = None,
    reuse: Reuse = None,
    executor: ExecutorChoice = Executor.RAY,
    pilot: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Replicates of the pair to train, to see what can be found; 0 for none.",
            show_default="up to 4, as many as are trained within two minutes",
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the plan as JSON too.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Say what a study would run, how long it takes and what it can find.

    A few steps of each optimizer are measured, and a pilot of a few replicates of candidate and
    baseline is trained; nothing is stored. Of a run that has begun, what is left is planned, and
    with --reuse what an earlier run has not made.
    """
    with readable_errors(debug):
        from agsam_tune.asked import asked_study
        from agsam_tune.errors import UsageError

        if json is not None and not json.resolve().parent.is_dir():
            raise UsageError(f"--json {json}: there is no folder {json.resolve().parent}")

        asked = asked_study(study, out=out, overrides=set_ or ())
        loaded = asked.study
        set_data_folder(data)
        from rich.console import Console

        from agsam_tune.atomic import write_json
        from agsam_tune.planning import PlanOptions, plan_run
        from agsam_tune.quiet import quieten

        quieten()
        options = PlanOptions(
            out=asked.out,
            executor=executor.value,
            cpus=cpus,
            gpus=gpus,
            import_path=asked.import_path,
            pilot=pilot,
            reuse=tuple(reuse or ()),
        )
        console = Console(stderr=True)
        with console.status(f"{loaded.name}: planning") as status:
            found = plan_run(loaded, options, lambda text: status.update(f"{loaded.name}: {text}"))
        typer.echo(str(found))
        if json is not None:
            write_json(json, found.to_dict())
