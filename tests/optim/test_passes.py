"""Both passes drop the same units, and BatchNorm's running statistics see the first one only."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from agsam_tune.optim import GSAM, SAM, AdaptiveGSAM
from agsam_tune.optim.passes import RandomState, replayed

from .problems import batches, closure_for, seeded, train, vector


@pytest.fixture(autouse=True)
def own_random_numbers() -> Iterator[None]:
    """Dropout draws from torch's global generator; leave it as it was."""
    state = torch.get_rng_state()
    torch.manual_seed(7)
    yield
    torch.set_rng_state(state)


def _dropout_model() -> nn.Module:
    return seeded(nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3)))


def _norm_model(**arguments: object) -> nn.Module:
    norm = nn.BatchNorm1d(16, **arguments)
    return seeded(nn.Sequential(nn.Linear(2, 16), norm, nn.ReLU(), nn.Linear(16, 3)))


class _Watch:
    """The dropout masks of a model, one a forward pass."""

    def __init__(self, model: nn.Module) -> None:
        self.masks: list[Tensor] = []
        (layer,) = (m for m in model.modules() if isinstance(m, nn.Dropout))
        layer.register_forward_hook(lambda _, x, y: self.masks.append((y != 0) | (x[0] == 0)))


# ── dropout ──────────────────────────────────────────────────────────────────────────────


def test_both_passes_draw_one_mask_and_the_next_step_another() -> None:
    model = _dropout_model()
    watch = _Watch(model)
    train(model, AdaptiveGSAM(model.parameters(), lr=0.0, rho=1e-4), batches(1) * 2)
    first, second, third, fourth = watch.masks
    assert torch.equal(first, second)
    assert torch.equal(third, fourth)
    assert not torch.equal(first, third)


def test_without_a_radius_dropout_training_is_the_base_optimizer_s_to_the_bit() -> None:
    """So the generator goes on after a step as after one pass."""
    ends = []
    for kind in (torch.optim.SGD, GSAM):
        torch.manual_seed(3)
        model = _dropout_model()
        arguments = {"rho": 0.0} if kind is GSAM else {}
        ends.append(train(model, kind(model.parameters(), lr=0.1, **arguments), batches(5)))
        ends.append(torch.rand(4))
    assert torch.equal(ends[0], ends[2])
    assert torch.equal(ends[1], ends[3])


def test_the_generator_goes_on_when_the_second_pass_raises() -> None:
    model = _dropout_model()
    optimizer = SAM(model.parameters())
    good = closure_for(model, optimizer, batches(1)[0])
    calls = []

    def closure() -> Tensor:
        calls.append(torch.rand(3))
        if len(calls) == 2:
            raise ValueError
        return good()

    torch.manual_seed(7)
    with pytest.raises(ValueError):
        optimizer.step(closure)
    assert torch.equal(calls[0], calls[1])
    following = torch.rand(3)
    torch.manual_seed(7)
    torch.rand(3)
    good()
    assert torch.equal(following, torch.rand(3))


def test_the_managers_do_the_same_in_a_manual_loop() -> None:
    ends = []
    for manual in (False, True):
        torch.manual_seed(3)
        model = _dropout_model()
        optimizer = AdaptiveGSAM(model.parameters(), lr=0.1)
        watch = _Watch(model)
        for batch in batches(4):
            closure = closure_for(model, optimizer, batch)
            if not manual:
                optimizer.step(closure)
                continue
            with optimizer.first_pass():
                closure()
            optimizer.first_step()
            with optimizer.second_pass():
                closure()
            optimizer.second_step()
        assert torch.equal(watch.masks[0], watch.masks[1])
        ends += [vector(model), torch.rand(2)]
    assert torch.equal(ends[0], ends[2])
    assert torch.equal(ends[1], ends[3])


def test_a_manual_loop_without_the_managers_draws_two_masks() -> None:
    """What the managers are for."""
    model = _dropout_model()
    optimizer = AdaptiveGSAM(model.parameters(), rho=0.0)
    watch = _Watch(model)
    closure = closure_for(model, optimizer, batches(1)[0])
    closure()
    optimizer.first_step()
    closure()
    optimizer.second_step()
    assert not torch.equal(*watch.masks)


def test_a_second_pass_without_a_first() -> None:
    optimizer = AdaptiveGSAM(_dropout_model().parameters())
    with pytest.raises(RuntimeError, match="first_pass"), optimizer.second_pass():
        pass


def test_a_second_pass_that_raises_in_a_manual_loop_puts_the_weights_back() -> None:
    model = _dropout_model()
    optimizer = AdaptiveGSAM(model.parameters())
    start = vector(model)
    with optimizer.first_pass():
        closure_for(model, optimizer, batches(1)[0])()
    optimizer.first_step()
    assert not torch.equal(vector(model), start)
    with pytest.raises(KeyboardInterrupt), optimizer.second_pass():
        raise KeyboardInterrupt
    assert torch.equal(vector(model), start)
    with pytest.raises(RuntimeError, match="without first_step"):
        optimizer.second_step()


def test_the_generators_of_cuda_devices_are_saved_and_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a stand-in for the two functions of torch.cuda, which need a GPU."""
    states = {"cuda:0": torch.tensor([1]), "cuda:1": torch.tensor([2])}
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda d: states[str(d)].clone())
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda state, d: states.__setitem__(str(d), state)
    )
    devices = [torch.device(d) for d in ("cpu", "cuda:0", "cuda:1")]
    before = RandomState.now(devices)
    states["cuda:0"], states["cuda:1"] = torch.tensor([11]), torch.tensor([12])
    with replayed(before):
        assert [int(states[d]) for d in ("cuda:0", "cuda:1")] == [1, 2]
        states["cuda:0"] = torch.tensor([3])
    assert [int(states[d]) for d in ("cuda:0", "cuda:1")] == [11, 12]


# ── running statistics ───────────────────────────────────────────────────────────────────


def _after_one_pass(model: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """The buffers of a copy of the model after one forward pass."""
    other = copy.deepcopy(model)
    other(batch[0])
    return dict(other.named_buffers())


@pytest.mark.parametrize("arguments", [{}, {"momentum": None}, {"momentum": 0.9}])
@pytest.mark.parametrize("manual", [False, True])
def test_running_statistics_see_the_first_pass_only(
    arguments: dict[str, float | None], manual: bool
) -> None:
    model = _norm_model(**arguments)
    optimizer = AdaptiveGSAM(model.parameters(), lr=0.1, rho=1.0, model=model)
    for batch in batches(3):
        expected = _after_one_pass(model, batch)
        closure = closure_for(model, optimizer, batch)
        if manual:
            with optimizer.first_pass():
                closure()
            optimizer.first_step()
            with optimizer.second_pass():
                closure()
            optimizer.second_step()
        else:
            optimizer.step(closure)
        assert expected.keys() == dict(model.named_buffers()).keys()
        for name, buffer in model.named_buffers():
            assert torch.equal(buffer, expected[name]), name
    assert model[1].momentum == arguments.get("momentum", 0.1)
    assert int(model[1].num_batches_tracked) == 3


def test_the_second_pass_normalises_as_the_first_one_does() -> None:
    """With the batch's own statistics: without a radius it is the base optimizer to the bit."""
    ends = []
    for kind in (torch.optim.SGD, GSAM):
        model = _norm_model()
        arguments = {"rho": 0.0, "model": model} if kind is GSAM else {}
        train(model, kind(model.parameters(), lr=0.1, **arguments), batches(5))
        ends.append(torch.cat([t.flatten().double() for t in model.state_dict().values()]))
    assert torch.equal(*ends)


def test_nans_of_the_second_pass_do_not_reach_the_running_statistics() -> None:
    model = _norm_model()
    optimizer = AdaptiveGSAM(model.parameters(), rho=1e38, model=model)
    batch = batches(1)[0]
    expected = _after_one_pass(model, batch)
    optimizer.step(closure_for(model, optimizer, batch))
    assert all(torch.equal(b, expected[n]) for n, b in model.named_buffers())
    assert not bool(vector(model).isfinite().all())


class _Counter(nn.Module):
    """A layer that replaces its buffer by a new tensor in each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.count = self.count + 1
        return x


@pytest.mark.parametrize(
    ("layer", "name"),
    [(nn.InstanceNorm1d(16, track_running_stats=True), "running_mean"), (_Counter(), "count")],
    ids=["InstanceNorm1d", "a buffer that is replaced"],
)
def test_other_layers_with_buffers(layer: nn.Module, name: str) -> None:
    ends = (seeded(nn.Linear(2, 64)), seeded(nn.Linear(64, 3)))
    model = nn.Sequential(ends[0], nn.Unflatten(1, (16, 4)), layer, nn.Flatten(), ends[1])
    batch = batches(1)[0]
    expected = _after_one_pass(model, batch)
    assert not torch.equal(expected[f"2.{name}"], model.get_buffer(f"2.{name}"))
    train(model, SAM(model.parameters(), rho=1.0, model=model), [batch])
    assert all(torch.equal(b, expected[n]) for n, b in model.named_buffers())


def test_a_batch_norm_that_the_optimizer_does_not_know_is_warned_of_once() -> None:
    model = _norm_model()
    optimizer = AdaptiveGSAM(model.parameters())
    with pytest.warns(UserWarning, match="Pass model=model") as caught:
        train(model, optimizer, batches(1))
    assert caught[0].filename.endswith("problems.py")  # where step() was called
    train(model, optimizer, batches(1))  # a second warning would be an error here


def test_a_batch_norm_in_evaluation_mode_is_not_warned_of() -> None:
    model = _norm_model().eval()
    start = {name: buffer.clone() for name, buffer in model.named_buffers()}
    train(model, AdaptiveGSAM(model.parameters()), batches(2))
    assert all(torch.equal(b, start[n]) for n, b in model.named_buffers())


# ── compiled models ──────────────────────────────────────────────────────────────────────


def _train_compiled(*, compiled: bool) -> Tensor:
    torch.manual_seed(3)
    layers = (nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    model = seeded(nn.Sequential(*layers))
    run = torch.compile(model, backend="eager") if compiled else model
    optimizer = AdaptiveGSAM(model.parameters(), lr=0.1, model=model)
    for batch in batches(3):
        optimizer.step(closure_for(run, optimizer, batch))
    return torch.cat([t.flatten().double() for t in model.state_dict().values()])


def test_a_compiled_model_trains_as_the_model_itself() -> None:
    """Captured by Dynamo and run by its eager backend, so no compiler is needed."""
    assert torch.equal(_train_compiled(compiled=True), _train_compiled(compiled=False))
