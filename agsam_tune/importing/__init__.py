"""Trials made elsewhere: read, checked and laid down as the folder of a run.

In: a CSV or Parquet file, or an Optuna storage. Out: a folder that `report` and `export` work on
as on one that `run` made. Must not import torch or Ray.
"""

from agsam_tune.importing.folder import Imported, ImportOptions, import_trials
from agsam_tune.importing.record import imported_study, is_imported, read_imported_trials

__all__ = [
    "ImportOptions",
    "Imported",
    "import_trials",
    "imported_study",
    "is_imported",
    "read_imported_trials",
]
