"""A run whose summary has everything that a report can show."""

from __future__ import annotations

from typing import Any

from tests.report.fits import fitted_summary, surfaces_of
from tests.report.runs import arguments, study_of, trials_of

RANGE_SENTENCE = "the verdict flips in 7 of 22 boxes"


def full_arguments() -> dict[str, Any]:
    """Keyword arguments of `write_report`."""
    study = study_of("quick")
    given = arguments(study, trials_of(study))
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
