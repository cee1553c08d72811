"""The program: its name, its help, and the commands that it has.

In: the functions of the commands. Out: `app` and `main`. Must not import anything heavy.
"""

from __future__ import annotations

from typing import Annotated

import typer

from agsam_tune import __version__
from agsam_tune.cli.bench import bench
from agsam_tune.cli.dashboard import dashboard
from agsam_tune.cli.data_ import data_
from agsam_tune.cli.design import design
from agsam_tune.cli.export import export
from agsam_tune.cli.import_ import import_
from agsam_tune.cli.list_ import list_
from agsam_tune.cli.new import new
from agsam_tune.cli.plan import plan
from agsam_tune.cli.report import report
from agsam_tune.cli.run import run
from agsam_tune.cli.schema import schema
from agsam_tune.cli.show import show
from agsam_tune.cli.sys_info import sys_info

app = typer.Typer(
    name="agsam-tune",
    help="How much accuracy optimizers lose when their hyperparameters are mis-set.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """How much accuracy optimizers lose when their hyperparameters are mis-set."""


# In the order in which `--help` lists them.
app.command("new")(new)
app.command("run")(run)
app.command("plan")(plan)
app.command("show")(show)
app.command("report")(report)
app.command("design")(design)
app.command("import")(import_)
app.command("export")(export)
app.command("dashboard")(dashboard)
app.command("list")(list_)
app.command("data")(data_)
app.command("schema")(schema)
app.command("bench")(bench)
app.command("sys-info")(sys_info)


def main() -> None:
    """The console command."""
    app()
