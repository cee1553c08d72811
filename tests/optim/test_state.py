"""Saving, loading, copying and pickling: training goes on to the bit."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from agsam_tune.optim import GSAM, AdaptiveGSAM, TwoPass

from .problems import CLASSES, batches, closure_for, mlp, train, vector

BASES: list[tuple[type[Optimizer], dict[str, Any]]] = [
    (SGD, {"lr": 0.05}),
    (SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    (Adam, {"lr": 0.01}),
    (AdamW, {"lr": 0.01, "amsgrad": True}),
]
EVERY_BASE = pytest.mark.parametrize(
    ("base", "arguments"), BASES, ids=["sgd", "momentum", "adam", "amsgrad"]
)


@EVERY_BASE
@pytest.mark.parametrize("kind", CLASSES)
def test_training_resumes_to_the_bit(
    kind: type[TwoPass], base: type[Optimizer], arguments: dict[str, Any]
) -> None:
    """Ten steps, saved, ten more; and ten more from the file with new objects."""
    data = batches(20)
    model = mlp()
    groups = [{"params": [p], "rho": 0.1 * i} for i, p in enumerate(model.parameters())]
    optimizer = kind(groups, base, **arguments)
    train(model, optimizer, data[:10])
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    end = train(model, optimizer, data[10:])

    file.seek(0)
    saved = torch.load(file, weights_only=True)
    other = mlp(seed=9)
    other.load_state_dict(saved["model"])
    resumed = kind(
        [{"params": [p]} for p in other.parameters()], base, **{**arguments, "lr": 0.7}, rho=3.0
    )
    resumed.load_state_dict(saved["optimizer"])
    assert torch.equal(train(other, resumed, data[10:]), end)


PROGRAM = """
import sys, torch
from agsam_tune.optim import AdaptiveGSAM
from tests.optim.problems import batches, mlp, train
torch.set_num_threads(1)
model = mlp(seed=9)
optimizer = AdaptiveGSAM(model.parameters(), torch.optim.AdamW, lr=1.0)
saved = torch.load(sys.argv[1], weights_only=True)
model.load_state_dict(saved["model"])
optimizer.load_state_dict(saved["optimizer"])
torch.save(train(model, optimizer, batches(20)[10:]), sys.argv[2])
"""


def test_training_resumes_in_another_process(tmp_path: Path) -> None:
    data = batches(20)
    model = mlp()
    optimizer = AdaptiveGSAM(model.parameters(), AdamW, lr=0.01, weight_decay=0.1)
    train(model, optimizer, data[:10])
    before, after = tmp_path / "before.pt", tmp_path / "after.pt"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, before)
    end = train(model, optimizer, data[10:])
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", PROGRAM, str(before), str(after)], check=True, cwd=root)
    assert torch.equal(torch.load(after, weights_only=True), end)


def test_nothing_of_a_step_is_saved() -> None:
    """The state_dict is the base optimizer's: no copies of weights or gradients in it."""
    ours, theirs = mlp(), mlp()
    optimizer = AdaptiveGSAM(ours.parameters(), Adam, rho=0.0, lr=0.01)
    train(ours, optimizer, batches(2))
    base = Adam(theirs.parameters(), lr=0.01)
    train(theirs, base, batches(2))
    found, expected = optimizer.state_dict(), base.state_dict()
    assert found["state"].keys() == expected["state"].keys()
    assert found["state"][0].keys() == expected["state"][0].keys()
    assert found["param_groups"][0].keys() - expected["param_groups"][0].keys() == {
        *("rho", "alpha", "gamma"),
    }


def test_a_checkpoint_of_the_base_optimizer_alone_can_be_gone_on_from() -> None:
    model = mlp()
    base = SGD(model.parameters(), lr=0.05, momentum=0.9)
    train(model, base, batches(2))
    optimizer = GSAM(model.parameters(), SGD, rho=0.3)
    optimizer.load_state_dict(base.state_dict())
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["rho"], group["alpha"]) == (0.05, 0.9, 0.3, 0.1)
    train(model, optimizer, batches(1))


@EVERY_BASE
def test_copies_and_pickles_go_on_to_the_bit(
    base: type[Optimizer], arguments: dict[str, Any]
) -> None:
    data = batches(8)
    model = mlp()
    optimizer = AdaptiveGSAM(model.parameters(), base, max_grad_norm=0.5, model=model, **arguments)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    train(model, optimizer, data[:4])
    scheduler.step()
    pair = (model, optimizer)
    pairs = [copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))]  # noqa: S301
    end = train(model, optimizer, data[4:])
    for other, resumed in pairs:
        assert resumed.model is other
        assert resumed.param_groups is resumed.base_optimizer.param_groups
        assert resumed.param_groups[0]["params"][0] is next(other.parameters())
        assert resumed.max_grad_norm == 0.5
        assert torch.equal(train(other, resumed, data[4:]), end)
        assert repr(resumed).startswith("AdaptiveGSAM (around")


def test_a_step_half_done_is_neither_copied_nor_pickled() -> None:
    model = mlp()
    optimizer = AdaptiveGSAM(model.parameters())
    closure_for(model, optimizer, batches(1)[0])()
    optimizer.first_step()
    for action in (copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match="while the weights are perturbed"):
            action(optimizer)


def test_a_state_dict_of_other_groups_is_refused() -> None:
    optimizer = AdaptiveGSAM(mlp().parameters())
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict(
            AdaptiveGSAM([{"params": [p]} for p in mlp().parameters()]).state_dict()
        )


def test_zero_grad_and_a_deleted_optimizer_leave_the_model_alone() -> None:
    model = mlp()
    optimizer = AdaptiveGSAM(model.parameters())
    start = vector(model)
    closure_for(model, optimizer, batches(1)[0])()
    assert all(p.grad is not None for p in model.parameters())
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    closure_for(model, optimizer, batches(1)[0])()
    optimizer.zero_grad(set_to_none=False)
    assert all(bool((p.grad == 0).all()) for p in model.parameters())
    del optimizer
    assert torch.equal(vector(model), start)


def test_the_model_is_optional_when_pickling() -> None:
    model = nn.Linear(2, 2)
    restored = pickle.loads(pickle.dumps(AdaptiveGSAM(model.parameters())))  # noqa: S301
    assert restored.model is None
