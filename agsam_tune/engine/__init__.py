"""The engine trains a pack of trials in lockstep; see `training`."""

from agsam_tune.engine.training import train_pack

__all__ = ["train_pack"]
