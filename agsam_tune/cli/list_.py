"""`agsam-tune list`: what there is to use.

In: nothing but the current folder. Out: the listing on the screen, for people or as JSON. Must not
import anything heavy.
"""

from __future__ import annotations

from typing import Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors


def list_(
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    debug: Debug = False,
) -> None:
    """List what a study can be made of: tasks, optimizers, search spaces; and built-in studies."""
    with readable_errors(debug):
        import json

        from agsam_tune.listing import contents, listing

        typer.echo(json.dumps(contents(), indent=2, ensure_ascii=False) if json_ else listing())
