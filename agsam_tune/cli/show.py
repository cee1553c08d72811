"""`agsam-tune show`: what runs have come to, in the terminal.

In: runs' folders. Out: lines or JSON on the screen. Must not import anything heavy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.errors import UsageError

if TYPE_CHECKING:
    from agsam_tune.showing import RunFacts

_RUNS = Path("runs")


def show(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Runs' folders; without any, all below runs/."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the same as JSON, a list.")] = False,
    debug: Debug = False,
) -> None:
    """Show how far runs are and what they found, finished or going on.

    The run is only read. Without DIR: one line for each run below runs/.
    """
    with readable_errors(debug):
        from agsam_tune.showing import facts_of, listing, shown

        unreadable: list[tuple[Path, str]] = []
        if folders:
            facts = [facts_of(folder) for folder in folders]
            said = "\n\n".join(map(shown, facts))
        else:
            facts, unreadable = _all_runs()
            said = listing([*facts, *unreadable])
            if not facts and not unreadable:
                said = f"No run is below {_RUNS}/ here; agsam-tune run STUDY makes one."
        if json_:
            rows = [one.to_dict() for one in facts]
            rows += [{"run": str(folder), "error": error} for folder, error in unreadable]
            said = json.dumps(rows, indent=2, ensure_ascii=False)
        typer.echo(said)


def _all_runs() -> tuple[list[RunFacts], list[tuple[Path, str]]]:
    """Those that can be read, and why the others cannot."""
    from agsam_tune.showing import facts_of, runs_below

    found, unreadable = [], []
    for folder in runs_below(_RUNS):
        try:
            found.append(facts_of(folder))
        except UsageError as error:
            unreadable.append((folder, str(error)))
    return found, unreadable
