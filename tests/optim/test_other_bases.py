"""Base optimizers with needs of their own, and errors between the passes: named, and undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_optimizer
import schedulefree
import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Optimizer

from agsam_tune.optim import GSAM, SAM, AdaptiveGSAM, TwoPass

from .problems import CLASSES, batches, closure_for, mlp, train, vector

# ── train() and eval() ───────────────────────────────────────────────────────────────────

SCHEDULE_FREE = (schedulefree.SGDScheduleFree, pytorch_optimizer.ScheduleFreeSGD)


@pytest.mark.parametrize("base", SCHEDULE_FREE)
def test_a_schedule_free_base_optimizer_is_switched_through_the_wrapper(
    base: type[Optimizer],
) -> None:
    """With rho = 0 it is the base optimizer alone, in training and in evaluation."""
    ours, theirs = mlp(), mlp()
    optimizer, alone = SAM(ours.parameters(), base, rho=0.0, lr=0.1), base(theirs.parameters(), 0.1)
    for model, one in ((ours, optimizer), (theirs, alone)):
        one.train()
        training = train(model, one, batches(4))
        one.eval()
        assert not torch.equal(vector(model), training)
    assert torch.equal(vector(ours), vector(theirs))
    optimizer.train()
    torch.testing.assert_close(vector(ours), training)
    fresh = SAM(mlp().parameters(), base, rho=0.0, lr=0.1)
    fresh.load_state_dict(optimizer.state_dict())
    assert fresh.param_groups[0]["train_mode"]


def test_train_and_eval_are_there_where_the_base_optimizer_has_them() -> None:
    optimizer = SAM(mlp().parameters(), SGD)
    assert not hasattr(optimizer, "train")
    with pytest.raises(AttributeError, match="'eval': its base optimizer, SGD, has none"):
        optimizer.eval()
    with pytest.raises(AttributeError, match=r"'SAM' object has no attribute 'trian'$"):
        optimizer.trian()


@pytest.mark.parametrize("switch", ["train", "eval"])
def test_perturbed_weights_are_not_switched(switch: str) -> None:
    model = mlp()
    optimizer = SAM(model.parameters(), schedulefree.SGDScheduleFree, lr=0.1)
    optimizer.train()
    closure_for(model, optimizer, batches(1)[0])()
    optimizer.first_step()
    with pytest.raises(RuntimeError, match=rf"SAM cannot go to {switch}\(\) between first_step"):
        getattr(optimizer, switch)()


@pytest.mark.parametrize("kind", CLASSES)
def test_a_base_optimizer_that_raises_leaves_the_weights(kind: type[TwoPass]) -> None:
    """Schedule-free ones do where train() was forgotten."""
    model = mlp()
    optimizer = kind(model.parameters(), schedulefree.SGDScheduleFree, lr=0.1)
    start = vector(model)
    with pytest.raises(Exception, match="not in train mode"):
        train(model, optimizer, batches(1))
    assert torch.equal(vector(model), start)
    optimizer.train()
    assert not torch.equal(train(model, optimizer, batches(1)), start)


class _Halfway(SGD):
    """Raises when it has written to a part of the weights."""

    def step(self, closure: Any = None) -> None:  # noqa: ARG002
        with torch.no_grad():
            self.param_groups[0]["params"][0].fill_(7.0)
        raise KeyboardInterrupt


@pytest.mark.parametrize("manual", [False, True])
def test_a_base_optimizer_that_raises_halfway(manual: bool) -> None:
    model = mlp()
    optimizer = GSAM(model.parameters(), _Halfway, lr=0.1)
    start, closure = vector(model), closure_for(model, optimizer, batches(1)[0])
    with pytest.raises(KeyboardInterrupt):
        if manual:
            closure()
            optimizer.first_step()
            closure()
            optimizer.second_step()
        else:
            optimizer.step(closure)
    assert torch.equal(vector(model), start)
    assert optimizer._ascent is None


# ── second derivatives ───────────────────────────────────────────────────────────────────


@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph=True")
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("kind", [SAM, AdaptiveGSAM])
@pytest.mark.parametrize("base", [pytorch_optimizer.AdaHessian, pytorch_optimizer.SophiaH])
def test_a_base_optimizer_of_second_order_is_named_as_the_cause(
    base: type[Optimizer], kind: type[TwoPass], create_graph: bool
) -> None:
    """Whether or not the closure keeps the graph, which is that of other weights."""
    model = mlp()
    optimizer = kind(model.parameters(), base, lr=0.1)
    x, y = batches(1)[0]

    def closure() -> Tensor:
        optimizer.zero_grad()
        # Smooth, so that there are second derivatives.
        loss = cross_entropy(model[4](torch.tanh(model[2](torch.tanh(model[0](x))))), y)
        loss.backward(create_graph=create_graph)
        return loss

    start = vector(model)
    says = rf"{base.__name__} differentiates the gradients once more \(backward\(create_graph=True"
    with pytest.raises(RuntimeError, match=says):
        optimizer.step(closure)
    assert torch.equal(vector(model), start)


# ── sharded parameters ───────────────────────────────────────────────────────────────────


@pytest.fixture
def sharded() -> Any:
    """A model under FSDP2, in a group of this process alone."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        model = mlp()
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        yield model
    finally:
        dist.destroy_process_group()


def test_sharded_parameters_are_refused_with_the_cause(sharded: nn.Module) -> None:
    says = r"SAM needs parameters that are whole.*shape \(16, 2\) is sharded.*DistributedDataPar"
    with pytest.raises(TypeError, match=says):
        SAM(sharded.parameters())
    optimizer = SAM([nn.Parameter(torch.ones(1))])
    with pytest.raises(TypeError, match="is sharded"):
        optimizer.add_param_group({"params": sharded.parameters()})
    assert len(optimizer.param_groups) == 1


# ── clipping by hand, with a gradient scaler ─────────────────────────────────────────────

UNSCALED = r"unscale_\(SAM\) has already been called.*pass max_grad_norm=… to SAM"
Loop = Callable[[SAM, GradScaler, Callable[[], Tensor]], None]


def _scaler_given(optimizer: SAM, scaler: GradScaler, closure: Callable[[], Tensor]) -> None:
    optimizer.step(closure, scaler=scaler)


def _scaler_not_given(optimizer: SAM, scaler: GradScaler, closure: Callable[[], Tensor]) -> None:
    optimizer.step(closure)


def _by_hand(optimizer: SAM, scaler: GradScaler, closure: Callable[[], Tensor]) -> None:
    with optimizer.first_pass():
        closure()
    optimizer.first_step()
    with optimizer.second_pass():
        closure()
    optimizer.second_step(scaler=scaler)


@pytest.mark.parametrize("loop", [_scaler_given, _scaler_not_given, _by_hand])
def test_clipping_by_hand_in_a_closure_names_max_grad_norm(loop: Loop) -> None:
    model = mlp()
    optimizer, scaler = SAM(model.parameters(), lr=0.1), GradScaler("cpu", init_scale=4.0)
    x, y = batches(1)[0]

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return loss

    start = vector(model)
    with pytest.raises(RuntimeError, match=UNSCALED):
        loop(optimizer, scaler, closure)
    assert torch.equal(vector(model), start)
