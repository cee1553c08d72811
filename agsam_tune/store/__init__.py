"""The store: Optuna's storage, the only truth about results."""

from agsam_tune.store.faults import StorageAwayError, StorageError, StorageTakenError
from agsam_tune.store.location import local_file, storage_location
from agsam_tune.store.results import ResultStore, Stored

__all__ = [
    "ResultStore",
    "StorageAwayError",
    "StorageError",
    "StorageTakenError",
    "Stored",
    "local_file",
    "storage_location",
]
