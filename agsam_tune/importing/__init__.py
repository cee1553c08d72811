"""Trials made elsewhere: read, checked and laid down as the folder of a run.

In: a CSV or Parquet file, or an Optuna storage. Out: a folder that `report` and `export` work on
as on one that `run` made. Must not import torch or Ray.
"""

from typing import TYPE_CHECKING, Any

from agsam_tune.importing.record import imported_study, is_imported, read_imported_trials

if TYPE_CHECKING:
    from agsam_tune.importing.folder import Imported, ImportOptions, import_trials

__all__ = [
    "ImportOptions",
    "Imported",
    "import_trials",
    "imported_study",
    "is_imported",
    "read_imported_trials",
]


def __getattr__(name: str) -> Any:
    # Only where trials are imported, for who reads a manifest does not need pandas.
    if name in __all__:
        from agsam_tune.importing import folder

        return getattr(folder, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
