"""`agsam-tune dashboard`: a run in optuna-dashboard, with the report's notes and figures.

In: a run's folder, a host and a port. Out: pages in a browser. Heavy packages are imported inside
the command, and after what may be wrong in the folder or the port. Must not import torch or Ray.
"""

from __future__ import annotations

from typing import Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.cli.options import RunFolderPath


def dashboard(
    folder: RunFolderPath,
    host: Annotated[
        str, typer.Option(help="Where to listen; any other than this machine's lets others in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any.")] = 8080,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in a browser here.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Show a run, finished or going on, in optuna-dashboard, with the report's notes and figures.

    The run is only read. Ctrl-C ends it.
    """
    with readable_errors(debug):
        from agsam_tune.dashboard.listening import is_local, listen
        from agsam_tune.folder import RunFolder
        from agsam_tune.signals import interrupt_on_sigterm

        interrupt_on_sigterm()
        RunFolder(path=folder).run_manifest()
        server = listen(host, port)
        try:
            # All that takes its time to import comes after what may be wrong in the command.
            from agsam_tune.dashboard.serving import serve
            from agsam_tune.quiet import quieten

            quieten()

            def ready(trials: int) -> None:
                typer.echo(f"{trials:,} trials at {server.url} – Ctrl-C ends it")
                if not is_local(host):
                    typer.echo("Whoever reaches this address sees the run: there is no password.")
                if open_:
                    typer.launch(server.url)

            serve(folder, server, host=host, ready=ready)
        except KeyboardInterrupt:
            pass  # its usual end, also while it starts
        finally:
            server.server_close()
