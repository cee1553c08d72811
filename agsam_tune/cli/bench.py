"""`agsam-tune bench`: the engine against one training at a time, on this machine.

In: which problems, how long. Out: a table on the screen, and files. Heavy packages are imported
inside the command. Must not import torch or Ray.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.errors import UsageError


class Part(StrEnum):
    """What is measured: steps of training of three problems, and what surrounds them."""

    MOONS = "moons"
    DIGITS = "digits"
    MNIST = "mnist"
    START_UP = "start_up"
    END_TO_END = "end_to_end"
    REPORT = "report"


_QUICK = (Part.MOONS, Part.DIGITS, Part.MNIST, Part.START_UP)


def bench(
    part: Annotated[
        list[Part] | None,
        typer.Option(
            help="What to measure; may be repeated.", show_default="moons, digits, mnist, start_up"
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each contender.")] = 7,
    seconds: Annotated[
        float, typer.Option(min=0.01, help="Core seconds of a measurement, at least.")
    ] = 0.5,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the plot: .svg, .png or .pdf.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Measure the engine against one training at a time, as ratios.

    The peers are pytorch-optimizer and JAX, where installed (agsam-tune[bench]), and a loop in
    PyTorch (docs/speed.md). Leave the machine alone meanwhile: without end_to_end and report it
    takes about three minutes.
    """
    with readable_errors(debug):
        from agsam_tune import bench as benchmarks
        from agsam_tune.atomic import replace_file

        endings = (".svg", ".png", ".pdf")
        if plot is not None and plot.suffix not in endings:
            raise UsageError(f"--plot {plot}: allowed endings: {', '.join(endings)}")
        for path in (json_, plot):
            if path is not None and not path.resolve().parent.is_dir():
                raise UsageError(f"{path}: there is no folder {path.resolve().parent}")
        found = benchmarks.run_bench(
            [each.value for each in part or _QUICK],
            rounds=rounds,
            seconds=seconds,
            echo=lambda text: typer.echo(text, err=True),
        )
        typer.echo(benchmarks.markdown(found) if markdown else benchmarks.table(found))
        if json_ is not None:
            replace_file(json_, (json.dumps(found, indent=2) + "\n").encode())
        if plot is not None:
            benchmarks.plot(found, plot)
