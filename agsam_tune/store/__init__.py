"""The store: Optuna's storage, the only truth about results."""

from agsam_tune.store.location import (
    StorageError,
    local_file,
    storage_location,
)
from agsam_tune.store.results import ResultStore

__all__ = ["ResultStore", "StorageError", "local_file", "storage_location"]
