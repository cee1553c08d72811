"""Studies of the first design, in which seeds were crossed with points, as studies of today.

In: a resolved study as the manifests of version 0.1 hold it, which name no format. Out: the same
in the present form, marked as of format 1: it can be read and analysed, and not run. Must import
nothing but the standard library.
"""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["FIRST_DESIGN", "NOT_CARRIED_ON", "upgraded"]

#: The format of studies and manifests that name none.
FIRST_DESIGN: Final = 1

#: Why such a run is not carried on.
NOT_CARRIED_ON: Final = (
    "holds a run of the first design, whose seeds are crossed with its points: report, show, "
    "export and import read it, and nothing can be added to it; run the study in another folder "
    "(--out)"
)

#: Built-in optimizers without an ascent step, which search spaces did not say then.
_WITHOUT_ASCENT = ("sgd", "sgd_2x")


def upgraded(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """The same study in the present form.

    All its trainings shared one data set, and nothing in it was repeated independently but its
    points, so it has one replicate. Every phase was for all optimizers. A map's `replicates` were
    blocks of one design: they are left out.

    Args:
        resolved: `Study.resolved()` of then.
    """
    optimizers = list(resolved["optimizers"])
    return {
        **resolved,
        "format": FIRST_DESIGN,
        "replicates": 1,
        "data": "fixed",
        "search_spaces": {
            name: _with_ascent(name, space) for name, space in resolved["search_spaces"].items()
        },
        "phases": [_phase(phase, optimizers) for phase in resolved["phases"]],
    }


def _with_ascent(name: str, space: Mapping[str, Any]) -> dict[str, Any]:
    lacks_ascent = name in _WITHOUT_ASCENT and not space.get("rule")
    return {**space, "ascent": not lacks_ascent}


def _phase(phase: Mapping[str, Any], optimizers: list[str]) -> dict[str, Any]:
    kept = {key: value for key, value in phase.items() if key != "replicates"}
    return kept if phase["name"] in ("map", "fixed") else {**kept, "optimizers": optimizers}
