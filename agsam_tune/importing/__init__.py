"""Trials made elsewhere: read, checked and laid down as the folder of a run.

In: a file of trials, or an Optuna storage. Out: a folder that `report` and `export` work on
as on one that `run` made. Must not import torch or Ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from agsam_tune.importing.record import imported_study, is_imported, read_imported_trials

if TYPE_CHECKING:
    from agsam_tune.importing.folder import Imported, ImportOptions, import_told, import_trials
    from agsam_tune.importing.source import Findings
    from agsam_tune.importing.tables import read_frame, read_results, read_tables
    from agsam_tune.importing.told import Told, read_told

__all__ = [
    "Findings",
    "ImportOptions",
    "Imported",
    "Told",
    "import_told",
    "import_trials",
    "imported_study",
    "is_imported",
    "read_frame",
    "read_imported_trials",
    "read_results",
    "read_tables",
    "read_told",
]

# Only where trials are imported, for who reads a manifest does not need pandas.
_LATER = {
    **dict.fromkeys(("ImportOptions", "Imported", "import_told", "import_trials"), "folder"),
    "Findings": "source",
    **dict.fromkeys(("read_frame", "read_results", "read_tables"), "tables"),
    **dict.fromkeys(("Told", "read_told"), "told"),
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"agsam_tune.importing.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
