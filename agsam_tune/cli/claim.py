"""What a command says of a report that it wrote.

In: a report's summary and its folder. Out: two lines on the screen. Must not import anything
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
    typer.echo(f"Report: {folder / 'report.html'}")
