"""Facts to show, of a study of as many optimizers as wanted."""

import math
from typing import Any

from agsam_tune.progress.facts import Facts, OptimizerFacts, PhaseFacts

NAMES = ("sgd", "sgd_2x", "sam", "gsam", "adaptive_gsam", "gsam_matched")


def some_facts(*, optimizers: int = 6, long_names: bool = False, **changed: Any) -> Facts:
    names = [NAMES[i] if i < len(NAMES) else f"own_{i}" for i in range(optimizers)]
    given: dict[str, Any] = {
        "title": "moons",
        "state": "training",
        "notice": "",
        "stored": 0,
        "done": 1204,
        "total": 3928,
        "phases": (
            PhaseFacts(name="map", done=692, total=2056),
            PhaseFacts(name="tune", done=512, total=512),
            PhaseFacts(name="iid", done=0, total=512),
            PhaseFacts(name="misset", done=0, total=848),
        ),
        "optimizers": tuple(
            OptimizerFacts(
                name=f"{name}{'_with_a_very_long_name' * long_names}",
                done=200 + i,
                total=1016,
                best=0.917 if i else math.nan,
                median=0.853 if i else math.nan,
            )
            for i, name in enumerate(names)
        ),
        "rate": 24.36,
        "elapsed": 52.0,
        "left": 113.0,
        "busy": 2,
        "workers": 2,
        "diverged": 34,
        "failed": 0,
        "memory": 1_410_000_000,
    }
    return Facts(**(given | changed))
