"""The engine trains a pack of trials in lockstep; see `training`."""

from agsam_tune.engine.batches import orders
from agsam_tune.engine.checkpoint import Checkpoints
from agsam_tune.engine.devices import (
    gpu_count,
    gpu_is_available,
    is_out_of_memory,
    peak_gpu_memory,
)
from agsam_tune.engine.inspection import ModelError
from agsam_tune.engine.plan import Plan, make_plan
from agsam_tune.engine.timing import PackTime, pack_time
from agsam_tune.engine.training import train_pack, training_epochs
from agsam_tune.engine.ways import task_blueprint

__all__ = [
    "Checkpoints",
    "ModelError",
    "PackTime",
    "Plan",
    "gpu_count",
    "gpu_is_available",
    "is_out_of_memory",
    "make_plan",
    "orders",
    "pack_time",
    "peak_gpu_memory",
    "task_blueprint",
    "train_pack",
    "training_epochs",
]
