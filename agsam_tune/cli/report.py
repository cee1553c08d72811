"""`agsam-tune report`: the report of what is stored.

In: runs' folders. Out: tables, estimates and reports in them, and the claim on the screen.
Heavy packages are imported inside the command. Must not import torch or Ray.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agsam_tune.cli import completion
from agsam_tune.cli.claim import print_claim, print_tasks
from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.errors import UsageError


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Runs' folders.", autocompletion=completion.runs),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write; with several DIRs, their comparison.",
            show_default="the run's folder; comparison beside the first DIR",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Analyse with another key of [analysis], candidate, baseline or control, such as "
            "analysis.margin=0.01; needs --out.",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Rebuild the tables, the estimates and the report from what is stored.

    With several folders, also write a comparison across their tasks.
    """
    with readable_errors(debug):
        if set_:
            _check(folders, out, set_)
        # All that takes its time to import comes after what may be wrong in the command.
        from agsam_tune.quiet import quieten
        from agsam_tune.reporting import report_run, report_runs

        quieten()
        if len(folders) > 1:
            place, found = report_runs(
                folders, out=out, said=lambda folder, own: print_claim(own, folder)
            )
            print_tasks(found, place)
        else:
            summary = report_run(folders[0], out=out, overrides=set_ or ())
            print_claim(summary, out or folders[0])


def _check(folders: list[Path], out: Path | None, overrides: list[str]) -> None:
    """Raise what can be wrong with other settings."""
    from agsam_tune.recorded import check_apart, recorded_run
    from agsam_tune.study import with_analysis

    if len(folders) > 1:
        raise UsageError(
            "--set takes one DIR: with several, each one's own report is written anew, and that "
            "says what its study file asks. Report on each by itself, with --set and --out"
        )
    check_apart(folders[0], out)
    with_analysis(recorded_run(folders[0]).study, overrides)
