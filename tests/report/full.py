"""Runs with everything that a report and its figures can show."""

from __future__ import annotations

from functools import cache
from typing import Any

from agsam_tune.report.material import Material, gather
from tests.report.fits import fitted_summary, surfaces_of
from tests.report.runs import run_of

RANGE_SENTENCE = "the verdict flips in 7 of 22 boxes"


@cache
def material_of(name: str, unusable: tuple[str, ...] = ()) -> Material:
    """A simulated run of a study of this repository, with fitted surfaces and all estimates."""
    given = dict(run_of(name))
    given["summary"] = fitted_summary(given["summary"], given["study"])
    return gather(**given, surfaces=surfaces_of(given["study"], unusable=unusable))


def full_arguments() -> dict[str, Any]:
    """Keyword arguments of `write_report` for a run of quick.toml."""
    given = run_of("quick")
    study = given["study"]
    surfaces = surfaces_of(study, unusable=("gsam_matched",))
    summary = fitted_summary(given["summary"], study)
    for name, entry in summary["optimizers"].items():
        summary["optimizers"][name] = {**entry, "surface": surfaces.quality[name]}
    summary |= {"range_sentence": RANGE_SENTENCE, "power": power()}
    return {**given, "summary": summary, "surfaces": surfaces}


def power() -> dict[str, Any]:
    """Known in two lenses, and why not in the third."""
    found: dict[str, Any] = {
        lens: {
            "metric": "regret_sensitivity",
            "smallest_difference": smallest,
            "power": 0.8,
            "half_width": 0.7 * smallest,
            "margin": 0.005,
            "can_show_equivalence": smallest < 0.005,
            "method": "test",
        }
        for lens, smallest in (("rho", 0.012), ("own_best", 0.003))
    }
    return {**found, "radius": {"value": None, "reason": "no window"}}
