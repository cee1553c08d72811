"""The engine trains a pack of trials in lockstep; see `training`."""

from agsam_tune.engine.devices import gpu_is_available
from agsam_tune.engine.training import train_pack

__all__ = ["gpu_is_available", "train_pack"]
