"""`agsam-tune sys-info`: what to attach to a report of a problem.

In: nothing. Out: versions and the machine on the screen, for people or as JSON. Heavy packages are
imported inside the command. Must not import torch or Ray.
"""

from __future__ import annotations

from typing import Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors


def sys_info(
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    debug: Debug = False,
) -> None:
    """Print versions, machine and folders: what to attach to a report of a problem."""
    with readable_errors(debug):
        import json

        from agsam_tune.system import system_info, text

        found = system_info()
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if json_ else text(found))
