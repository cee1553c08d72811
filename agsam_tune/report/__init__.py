"""The report: estimates in, one self-contained HTML page and figure files out.

In: a run's tables, `summary.json`, `manifest.json` and the study. Out: `report.html` and
`figures/`. Must not import torch, Ray or Optuna.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agsam_tune.report.write import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    # When it is asked for: who writes numbers as the report does (`text`) needs no figures.
    if name in __all__:
        from agsam_tune.report import write

        return getattr(write, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
