"""What a command says of a report that it wrote.

In: a report's record and its folder. Out: lines on the screen. Must not import anything heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from agsam_tune.analysis.record import Changed, Claim


class Claims(Protocol):
    """The record of a report: of one run, or of a comparison across tasks."""

    @property
    def claim(self) -> Claim: ...

    @property
    def changed(self) -> Sequence[Changed]: ...


def print_claim(record: Claims, folder: Path) -> None:
    """What a report says first, and where it is."""
    typer.echo(record.claim.text)
    if record.changed:
        from agsam_tune.study import analysis_changes_text

        changes = [change.model_dump() for change in record.changed]
        typer.echo(f"Analysed with other settings: {analysis_changes_text(changes)}")
    typer.echo(f"Report: {folder / 'report.html'}")
