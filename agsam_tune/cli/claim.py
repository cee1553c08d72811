"""What a command says of a report that it wrote.

In: a report's record and its folder. Out: lines on the screen. Must not import anything heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from agsam_tune.analysis.record import Summary
    from agsam_tune.analysis.record_across import TaskComparison


def print_claim(record: Summary, folder: Path) -> None:
    """What a report says first, and where it is."""
    typer.echo(record.claim.text)
    if record.changed:
        from agsam_tune.study import analysis_changes_text

        changes = [change.model_dump() for change in record.changed]
        typer.echo(f"Analysed with other settings: {analysis_changes_text(changes)}")
    typer.echo(f"Report: {folder / 'report.html'}")


def print_tasks(record: TaskComparison, folder: Path) -> None:
    """What a comparison across tasks says first, and where it is."""
    typer.echo(record.text)
    typer.echo(f"Report: {folder / 'report.html'}")
