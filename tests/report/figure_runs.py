"""Materials with everything that the figures show."""

from __future__ import annotations

from functools import cache

from agsam_tune.report.material import Material, gather
from tests.report.fits import fitted_summary, surfaces_of
from tests.report.runs import arguments, study_of, trials_of


@cache
def material_of(name: str, unusable: tuple[str, ...] = ()) -> Material:
    """A simulated run of a study of this repository, with fitted surfaces and all estimates."""
    study = study_of(name)
    given = dict(arguments(study, trials_of(study)))
    given["summary"] = fitted_summary(given["summary"], study)
    return gather(**given, surfaces=surfaces_of(study, unusable=unusable))
