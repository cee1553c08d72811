"""`agsam-tune list`: what there is to use.

In: nothing but the current folder. Out: the listing on the screen. Must not import anything
heavy.
"""

from __future__ import annotations

import typer

from agsam_tune.cli.errors import Debug, readable_errors


def list_(debug: Debug = False) -> None:
    """List the tasks, optimizers, search spaces and studies there are."""
    with readable_errors(debug):
        from agsam_tune.listing import listing

        typer.echo(listing())
