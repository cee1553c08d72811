"""What can be said of a GPU without one, and what needs one."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from agsam_tune.engine import Checkpoints, make_plan, train_pack
from agsam_tune.engine.checkpoint import Checkpoint
from agsam_tune.engine.lockstep import Lockstep
from agsam_tune.engine.record import Record
from agsam_tune.engine.ways import pack_model
from agsam_tune.study import Training
from agsam_tune.tasks.tasks import Tasks
from tests.engine.problems import RECIPE, a_pack, small_moons
from tests.engine.test_networks import images

ADAMW = Training(
    epochs=2, batch_size=32, lr=0.01, base_optimizer="adamw", weight_decay=0.1, max_grad_norm=1.0,
    label_smoothing=0.1, lr_schedule="linear", rho_schedule="proportional",
)  # fmt: skip


@pytest.mark.parametrize(
    ("way", "optimizer", "recipe"),
    [
        *(("stacked", name, ADAMW) for name in ("gsam", "adaptive_gsam", "gsam_matched", "asam")),
        *(("stacked", "sgd", RECIPE), ("vmap", "gsam", RECIPE), ("vmap", "sgd", ADAMW)),
    ],
    ids=lambda value: getattr(value, "base_optimizer", None),
)
@pytest.mark.parametrize("replicates", [1, 3])
def test_no_epoch_waits_for_the_device(
    way: str, optimizer: str, recipe: Training, replicates: int
) -> None:
    """On the device `meta` a tensor has no values: whatever asks for one raises, as every
    `bool(…)`, `.item()` or copy to the host does that would wait for a GPU."""
    make = small_moons if way == "stacked" else images
    pack, device = a_pack(optimizer, 3, replicates=replicates), torch.device("meta")
    tasks = Tasks.of([make(seed=seed) for seed in range(replicates)])
    model = pack_model(tasks.first, recipe, way=way, device=device, dtype=torch.float32)
    with torch.no_grad():
        run = Lockstep.prepare(pack, tasks, recipe, 0, model, device, torch.float32)
        record = Record.empty(3, run.epochs, two_pass=run.rule.ascent is not None, like=run.w_KP)
        never = Checkpoints(folder=Path("none"), every=math.inf)
        run.train_epoch(0, record, Checkpoint(never, {}, started=0.0))
    assert run.step == run.batches.per_epoch
    with pytest.raises((RuntimeError, NotImplementedError)):
        bool(run.alive_K.all())


@pytest.mark.gpu
@pytest.mark.parametrize("way", ["stacked", "vmap", "rows"])
def test_a_gpu_agrees_with_the_cpu(way: str) -> None:
    task = small_moons() if way == "stacked" else images()
    for optimizer in ("sgd", "gsam", "adaptive_gsam"):
        pack = a_pack(optimizer, 5)
        torch.cuda.set_sync_debug_mode("default")
        here = train_pack(pack, task, RECIPE, study_seed=0, way=way)
        there = train_pack(pack, task, RECIPE, study_seed=0, way=way, device="cuda")
        for a, b in zip(here, there, strict=True):
            np.testing.assert_allclose(a.curve.f, b.curve.f, rtol=1e-2)


@pytest.mark.gpu
def test_an_epoch_on_a_gpu_does_not_synchronise() -> None:
    tasks, device = Tasks.of([images(seed=seed) for seed in range(3)]), torch.device("cuda")
    model = pack_model(tasks.first, RECIPE, way="vmap", device=device, dtype=torch.float32)
    pack = a_pack("gsam", 3, replicates=3)
    with torch.no_grad():
        run = Lockstep.prepare(pack, tasks, RECIPE, 0, model, device, torch.float32)
        record = Record.empty(3, run.epochs, two_pass=True, like=run.w_KP)
        run.train_epoch(0, record)  # kernels are chosen and loaded
        batches = list(run.batches.epoch(1))
        torch.cuda.set_sync_debug_mode("error")
        try:
            for batch in batches:
                run.take_step(batch, record)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_a_plan_for_a_gpu_fits_its_memory() -> None:
    plan = make_plan(images(), RECIPE, device="cuda", way="auto", rows="auto")
    assert plan.way in {"vmap", "rows"}
    assert plan.rows > 8
    train_pack(a_pack("gsam", plan.rows), images(), RECIPE, study_seed=0, way=plan.way,
               device="cuda")  # fmt: skip


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_lower_precisions_learn_on_a_gpu(precision: str) -> None:
    recipe = Training(epochs=6, batch_size=32, lr=0.1, momentum=0.9, precision=precision)  # type: ignore[arg-type]
    outcome = train_pack(
        a_pack("sgd", 1), images(), recipe, study_seed=0, way="vmap", device="cuda"
    )[0]
    assert outcome.test_accuracy > 0.9
