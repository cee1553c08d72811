"""The report: estimates in, one self-contained HTML page and figure files out.

In: a run's tables, `summary.json`, `manifest.json` and the study. Out: `report.html` and
`figures/`. Must not import torch, Ray or Optuna.
"""

from agsam_tune.report.write import write_report

__all__ = ["write_report"]
