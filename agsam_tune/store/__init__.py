"""The store: Optuna's storage, the only truth about results."""

from agsam_tune.store.location import default_location, storage_location
from agsam_tune.store.results import ResultStore, StorageMismatchError

__all__ = ["ResultStore", "StorageMismatchError", "default_location", "storage_location"]
