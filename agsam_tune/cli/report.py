"""`agsam-tune report`: the report of what is stored.

In: runs' folders. Out: tables, estimates and reports in them, and the claim on the screen.
Heavy packages are imported inside the command. Must not import torch or Ray.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agsam_tune.cli.claim import print_claim
from agsam_tune.cli.errors import Debug, readable_errors


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
    with readable_errors(debug):
        from agsam_tune.cli.quiet import quieten
        from agsam_tune.reporting import report_run, report_runs

        quieten()
        if len(folders) > 1:
            report_runs(folders, out=out, said=lambda place, found: print_claim(found, place))
        else:
            print_claim(report_run(folders[0], out=out), out or folders[0])
