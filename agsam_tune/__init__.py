"""agsam-tune: how much accuracy an optimizer loses when its hyperparameters are mis-set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agsam_tune.api import (
        Analysis,
        analyse,
        curves,
        figures,
        load_study,
        next_trials,
        plan,
        results,
        run,
    )

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "__version__",
    "analyse",
    "curves",
    "figures",
    "load_study",
    "next_trials",
    "plan",
    "results",
    "run",
]


def __getattr__(name: str) -> Any:
    # Imported when they are asked for, so that the program's own start stays fast.
    if name in __all__:
        from agsam_tune import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
