"""Notes and figures of a run, made in a process of their own: they take seconds of computing.

In: a run's folder, as the argument of `python -m agsam_tune.dashboard.describe`. Out: descriptions
as JSON on standard output, or one line on standard error and exit code 1. Must not import torch or
Ray.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from agsam_tune.dashboard.description import Description, Figure, to_json
from agsam_tune.dashboard.notes import facts, note, settings_note
from agsam_tune.dashboard.places import places
from agsam_tune.dashboard.plots import plots
from agsam_tune.errors import AgsamTuneError
from agsam_tune.folder import RunFolder
from agsam_tune.importing import is_imported
from agsam_tune.report.lens_curves import lens_curves
from agsam_tune.report.material import Material, gather
from agsam_tune.reporting import StoredRun, analysed, read_run

_NICE = 10


def describe(path: Path) -> dict[int, Description]:
    """What is said of each of the dashboard's studies, by its number."""
    run = read_run(path)
    report = RunFolder(path=path).report.is_file()
    return descriptions(material_of(run), report=report)


def descriptions(material: Material, *, report: bool) -> dict[int, Description]:
    """The same, from the material; `report` says whether there is a `report.html` to link to."""
    where = places(material.study)
    curves = lens_curves(material.context, material.trials)
    found = {
        number: Description(
            note=note(material, where, optimizer, report=report),
            facts=facts(material, optimizer),
            figures=plots(material, curves, optimizer),
        )
        for optimizer, number in where.trials.items()
    }
    return found | {
        number: Description(note=settings_note(material, where, optimizer, report=report))
        for optimizer, number in where.settings.items()
    }


def material_of(run: StoredRun) -> Material:
    """What notes and figures are made from."""
    if is_imported(run.manifest):  # whose numbers, if any, need not be those of the dashboard
        numbers = run.trials.groupby("optimizer").cumcount()
        run = replace(run, trials=run.trials.assign(trial_number=numbers))
    context, surfaces, summary = analysed(run)
    return gather(
        summary=summary,
        trials=run.trials,
        curves=run.curves,
        manifest=run.manifest,
        study=run.study,
        surfaces=surfaces,
        context=context,
    )


def figures(run: StoredRun, optimizer: str) -> tuple[Figure, ...]:
    """The figures of one optimizer, as on the dashboard."""
    material = material_of(run)
    return plots(material, lens_curves(material.context, material.trials), optimizer)


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
