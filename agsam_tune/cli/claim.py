"""What a command says of a report that it wrote.

In: a report's summary and its folder. Out: lines on the screen. Must not import anything
heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer


def print_claim(summary: Mapping[str, Any], folder: Path) -> None:
    """What a report says first, and where it is."""
    claim = summary.get("claim") or {}
    typer.echo(claim.get("text") or f"{folder}: no claim to judge")
    if changes := summary.get("changed_settings"):
        from agsam_tune.study import analysis_changes_text

        typer.echo(f"Analysed with other settings: {analysis_changes_text(changes)}")
    typer.echo(f"Report: {folder / 'report.html'}")
