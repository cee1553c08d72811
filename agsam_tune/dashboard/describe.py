"""Notes and figures of a run, made in a process of their own: they take seconds of computing.

In: a run's folder, as the argument of `python -m agsam_tune.dashboard.describe`. Out: descriptions
as JSON on standard output, or one line on standard error and exit code 1. Must not import torch or
Ray.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd

from agsam_tune.analysis.record import Summary
from agsam_tune.dashboard.description import Description, to_json
from agsam_tune.dashboard.notes import facts, map_note, note
from agsam_tune.dashboard.places import places
from agsam_tune.dashboard.plots import plots
from agsam_tune.errors import AgsamTuneError
from agsam_tune.folder import RunFolder
from agsam_tune.reporting import analysed, read_run
from agsam_tune.study import Study

_NICE = 10


def describe(path: Path) -> dict[int, Description]:
    """What is said of each of the dashboard's studies, by its number."""
    run = read_run(path)
    report = RunFolder(path=path).report.is_file()
    return descriptions(run.study, analysed(run), run.curves, report=report)


def descriptions(
    study: Study, summary: Summary, curves: pd.DataFrame, *, report: bool
) -> dict[int, Description]:
    """The same, from what was found.

    Args:
        study: the run's study.
        summary: what was found.
        curves: the learning curves; may be empty.
        report: whether there is a `report.html` to link to.
    """
    where = places(study)
    found = {
        number: Description(
            note=note(study, summary, where, optimizer, report=report),
            facts=facts(summary, optimizer),
            figures=plots(study, summary, curves, optimizer),
        )
        for optimizer, number in where.trials.items()
    }
    return found | {
        number: Description(note=map_note(study, where, optimizer, report=report))
        for optimizer, number in where.maps.items()
    }


def main() -> int:
    """Describe the run in the folder that is the argument."""
    os.nice(_NICE)  # a run that goes on has the first claim to the cores
    try:
        sys.stdout.write(to_json(describe(Path(sys.argv[1]))))
    except AgsamTuneError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
