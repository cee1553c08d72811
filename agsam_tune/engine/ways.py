"""The ways of computing a pack's models, and what each of them can take.

In: a task, a recipe, a device. Out: a `PackModel`. Must not import Ray or Optuna.

`compiled` computes chains of layers row by row in machine code, on a CPU; `stacked` perceptrons
with batched matrix products and a backward pass by hand; `rows` any module, one row after
another; `vmap` any deterministic module, all rows at once. They agree but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from agsam_tune.engine.blueprint import Blueprint, blueprint
from agsam_tune.engine.compiled.rows import CompiledRows
from agsam_tune.engine.inspection import ModelError
from agsam_tune.engine.losses import Loss
from agsam_tune.engine.mlp import MlpRows
from agsam_tune.engine.network import NetworkRows, NetworkVmap
from agsam_tune.engine.pack_model import PackModel
from agsam_tune.study import Training
from agsam_tune.tasks.task import Mlp, Task

_EXAMPLES = 4
# Up to so many weights of a layer, which stay in a core's cache, compiled rows are faster
# than batched products: 1.5 times with 784×256, half as fast with 1024×1024.
_CACHED_LAYER = 1 << 18


def possible_ways(plan: Blueprint, training: Training, *, device: torch.device) -> tuple[str, ...]:
    """The ways that a study may be computed in without being told to, the surest first.

    `vmap` is not among them on a CPU, where a row's bits would depend on its pack.
    """
    ways = []
    if training.precision != "bfloat16":
        small = plan.chain is not None and plan.chain.largest_layer <= _CACHED_LAYER
        if small and device.type == "cpu":
            ways.append("compiled")
        if plan.widths is not None:
            ways.append("stacked")
    if device.type != "cpu" and not plan.stochastic:
        ways.append("vmap")
    return (*ways, "rows")


def task_blueprint(task: Task) -> Blueprint:
    """The blueprint of the task's model, looked at with the task's own examples."""
    return blueprint(task.model, torch.as_tensor(task.train.inputs(_EXAMPLES)))


def pack_model(
    task: Task, training: Training, *, way: str, device: torch.device, dtype: torch.dtype
) -> PackModel:
    """The task's model, computed in the given way; `auto` is the first possible one.

    Raises:
        ModelError: the model cannot be trained, or not in this way.
    """
    plan = task_blueprint(task)
    if way == "auto":
        way = possible_ways(plan, training, device=device)[0]
    loss = Loss(kind=task.loss, smoothing=training.label_smoothing)
    if way in {"compiled", "stacked"} and training.precision == "bfloat16":
        raise ModelError(f"the way {way!r} does not take precision = 'bfloat16'")
    if way == "compiled":
        if plan.chain is None:
            raise ModelError(
                "the way 'compiled' takes convolutions with ReLU and 2×2 pooling, then dense layers"
                " with ReLU between them, only"
            )
        if device.type != "cpu":
            raise ModelError("the way 'compiled' is for CPUs")
        return CompiledRows(plan.chain, loss, plan.initial)
    if way == "stacked":
        if plan.widths is None:
            raise ModelError("the way 'stacked' takes dense layers with ReLU between them only")
        return MlpRows(Mlp(widths=plan.widths), loss, plan.initial)
    kind = NetworkVmap if way == "vmap" else NetworkRows
    return kind(
        plan,
        task.train.x.shape[1:],
        loss,
        device=device,
        dtype=dtype,
        bfloat16=training.precision == "bfloat16",
    )


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Whether GPUs may make float32 products in TF32; as it was before, afterwards."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = name == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
