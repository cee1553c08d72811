"""The training loop: against a plain loop, bits, sharing, divergence."""

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from agsam_tune.engine import orders, train_pack
from agsam_tune.engine.compiled import rows
from agsam_tune.engine.lockstep import trial_coordinates
from agsam_tune.engine.mlp import MlpRows
from agsam_tune.engine.record import Record
from agsam_tune.engine.training import prepared
from agsam_tune.optimizers import RULES, rule
from agsam_tune.streams import stream
from agsam_tune.study import Training
from agsam_tune.tasks.task import Split, Task
from agsam_tune.trials import Outcome, Pack, Trial
from tests.engine.problems import RECIPE, a_pack, a_trial, blobs, same_bits, small_moons

SEED = 11

pytestmark = pytest.mark.usefixtures("machine_code")


def _train(
    pack: Pack, task: Task, recipe: Training = RECIPE, way: str = "auto"
) -> tuple[Outcome, ...]:
    return train_pack(pack, task, recipe, study_seed=SEED, way=way)


def _plain_loop(trial: Trial, task: Task, recipe: Training) -> dict[str, list[float]]:
    """One model, `torch.optim.SGD` and autograd, in float64: f and radius of each epoch."""
    layers = []
    row = MlpRows(task.model).initial(stream(**trial_coordinates(trial, SEED), stream="weights"))
    for number, (inputs, outputs) in enumerate(task.model.layers):
        layer = torch.nn.Linear(inputs, outputs, dtype=torch.float64)
        weights, bias = MlpRows(task.model).layer(torch.tensor(row)[None], number)
        layer.weight.data = weights[0].T.contiguous()
        layer.bias.data = bias[0, 0].clone()
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    sgd = torch.optim.SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )
    update = rule(trial.optimizer)
    columns = {n: torch.tensor([[v]]).double() for n, v in trial.hyperparameters}
    x, y = torch.tensor(task.train.inputs()).double(), torch.tensor(task.train.y)
    curve: dict[str, list[float]] = {"f": [], "radius": []}

    def gradient(index: torch.Tensor) -> tuple[float, torch.Tensor]:
        model.zero_grad()
        z = model(x[index])
        if z.shape[1] == 1:
            loss = functional.binary_cross_entropy_with_logits(z[:, 0], y[index].double())
        else:
            loss = functional.cross_entropy(z, y[index])
        loss.backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        return loss.item(), torch.nn.utils.parameters_to_vector(grads)[None]

    for epoch in range(recipe.epochs):
        (order_N,) = orders([trial_coordinates(trial, SEED)], epoch, len(y))
        losses, radii = [], []
        for index in torch.tensor(order_N).split(recipe.batch_size):
            f, g = gradient(index)
            weights = torch.nn.utils.parameters_to_vector(model.parameters()).detach()[None]
            step = update.ascent_step(weights, g, columns)
            torch.nn.utils.vector_to_parameters((weights + step)[0], model.parameters())
            _, gp = gradient(index)
            torch.nn.utils.vector_to_parameters(weights[0], model.parameters())
            direction = update.update_direction(g, gp, columns)[0]
            start = 0
            for p in model.parameters():
                p.grad = direction[start : start + p.numel()].view_as(p)
                start += p.numel()
            sgd.step()
            losses.append(f)
            radii.append(step.norm().item())
        curve["f"].append(float(np.mean(losses)))
        curve["radius"].append(float(np.mean(radii)))
        for name, split in (("val_accuracy", task.choosing), ("test_accuracy", task.test)):
            curve.setdefault(name, []).append(_evaluated(model, split)[0])
    curve["test_loss"] = [_evaluated(model, task.test)[1]]
    curve["train_loss"] = [_evaluated(model, task.train)[1]]
    return curve


def _evaluated(model: torch.nn.Module, split: Split) -> tuple[float, float]:
    """Accuracy and mean loss."""
    y = torch.tensor(split.y)
    with torch.no_grad():
        z = model(torch.tensor(split.inputs()).double())
    if z.shape[1] == 1:
        right = (torch.sigmoid(z[:, 0]) > 0.5) == (y == 1)
        loss = functional.binary_cross_entropy(torch.sigmoid(z[:, 0]), y.double())
    else:
        right = z.argmax(1) == y
        loss = functional.cross_entropy(z, y)
    return right.double().mean().item(), loss.item()


@pytest.mark.parametrize(
    ("optimizer", "nesterov", "task"),
    [
        ("gsam", False, small_moons()),
        ("adaptive_gsam", True, blobs()),
        ("asam", False, blobs()),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_row_trains_as_a_plain_loop_does(optimizer: str, nesterov: bool, task: Task) -> None:
    recipe = RECIPE.model_copy(update={"nesterov": nesterov, "weight_decay": 0.05})
    pack = a_pack(optimizer, 3)
    expected = [_plain_loop(trial, task, recipe) for trial in pack.trials]
    # Rounding grows from step to step where rho is large; a wrong formula is far off.
    for way, dtype, rtol in (
        ("compiled", torch.float32, 5e-4),
        ("stacked", torch.float64, 1e-6),
        ("rows", torch.float64, 1e-6),
    ):
        outcomes = train_pack(pack, task, recipe, study_seed=SEED, dtype=dtype, way=way)
        for outcome, wanted in zip(outcomes, expected, strict=True):
            np.testing.assert_allclose(outcome.curve.f, wanted["f"], rtol=rtol)
            np.testing.assert_allclose(outcome.curve.radius, wanted["radius"], rtol=rtol)
            for name in ("val_accuracy", "test_accuracy"):
                np.testing.assert_allclose(getattr(outcome.curve, name), wanted[name])
                assert getattr(outcome, name) == getattr(outcome.curve, name)[-1]
            for name in ("test_loss", "train_loss"):
                np.testing.assert_allclose(getattr(outcome, name), wanted[name], rtol=rtol)
        assert {o.val_accuracy for o in outcomes} != {o.test_accuracy for o in outcomes}


class _Operations(TorchDispatchMode):
    """Counts what PyTorch is asked for."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("way", ["compiled", "stacked"])
def test_a_step_of_64_rows_is_no_more_operations_than_one_of_4(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pack is for: rows are computed together, not one after another."""
    calls: list[int] = []
    step = rows.sgd_step
    monkeypatch.setattr(
        rows, "sgd_step", lambda w_KP, *a: (calls.append(len(w_KP)), step(w_KP, *a))
    )

    def operations(size: int) -> tuple[int, int]:
        """Of an epoch, and its steps."""
        device = torch.device("cpu")
        with prepared(
            a_pack("gsam", size), small_moons(), RECIPE, 0, device=device, way=way
        ) as run:
            record = Record.empty(size, run.epochs, two_pass=True, like=run.w_KP)
            with _Operations() as counted:
                run.train_epoch(0, record)
            return counted.count, run.step

    assert operations(4) == operations(64)
    # A whole step is one call of machine code.
    assert calls == ([4] * 10 + [64] * 10 if way == "compiled" else [])


@pytest.mark.parametrize("optimizer", sorted(RULES))
@pytest.mark.parametrize("way", ["compiled", "stacked"])
def test_bits_do_not_depend_on_the_pack(optimizer: str, way: str) -> None:
    task, pack = small_moons(), a_pack(optimizer, 64)
    whole = _train(pack, task, way=way)
    for part in (slice(0, 1), slice(63, 64), slice(57, 64)):
        alone = _train(Pack(trials=pack.trials[part]), task, way=way)
        assert all(map(same_bits, alone, whole[part]))
    backwards = _train(Pack(trials=pack.trials[::-1]), task, way=way)
    assert all(map(same_bits, backwards, whole[::-1]))


@pytest.mark.parametrize("widths", [(5, 13, 9, 3), (5, 13, 9, 4), (17, 5), (3, 33, 10)])
@pytest.mark.parametrize("way", ["compiled", "stacked"])
def test_bits_do_not_depend_on_the_pack_with_a_softmax_and_odd_shapes(
    widths: tuple[int, ...], way: str
) -> None:
    task, pack = blobs(widths=widths, n=97), a_pack("adaptive_gsam", 64)
    for batch_size in (1, 13, 18, 31, 64, 1000):
        # No more steps than four of a batch of one, which 97 examples have 97 of.
        few = task if batch_size > 1 else replace(task, train=_first(task.train, 4))
        recipe = RECIPE.model_copy(update={"batch_size": batch_size, "epochs": 1})
        whole = _train(pack, few, recipe, way)
        for part in (slice(0, 1), slice(57, 64)):
            alone = _train(Pack(trials=pack.trials[part]), few, recipe, way)
            assert all(map(same_bits, alone, whole[part])), batch_size


def _first(split: Split, count: int) -> Split:
    return Split(x=split.x[:count], y=split.y[:count])


@pytest.mark.parametrize("way", ["compiled", "stacked"])
def test_a_poisoned_row_is_recorded_and_disturbs_nobody(way: str) -> None:
    task = small_moons()
    columns = {"rho": 0.1, "alpha": 0.2}
    healthy = [a_trial("gsam", k, k % 4, **columns, lr=0.1) for k in range(9)]
    poisoned = list(healthy)
    poisoned[4] = a_trial("gsam", 4, 0, **columns, lr=1e30)
    expected, outcomes = (_train(Pack(trials=tuple(t)), task, way=way) for t in (healthy, poisoned))
    for k in set(range(9)) - {4}:
        assert same_bits(expected[k], outcomes[k])
    bad = outcomes[4]
    assert bad.diverged
    assert bad.state == "COMPLETE"
    assert bad.diverged_step is not None
    assert bad.test_accuracy == task.test.chance
    assert bad.val_accuracy == task.choosing.chance
    assert math.isnan(bad.test_loss)
    assert math.isnan(bad.train_loss)
    assert bad.curve.test_accuracy == (task.test.chance,) * 2
    assert all(map(math.isnan, bad.curve.f))
    assert math.isfinite(bad.radius) == (bad.diverged_step > 0)


@pytest.mark.parametrize("way", ["compiled", "stacked"])
def test_a_row_that_diverged_stays_at_its_last_finite_weights(way: str) -> None:
    pack = Pack(trials=tuple(a_trial("sgd", k, 0, lr=lr) for k, lr in enumerate((0.1, 1e30))))
    device = torch.device("cpu")
    with prepared(pack, small_moons(), RECIPE, 0, device=device, way=way) as run:
        record = Record.empty(2, run.epochs, two_pass=False, like=run.w_KP)
        run.train_epoch(0, record)
        assert run.alive_K.tolist() == [True, False]
        assert run.w_KP.isfinite().all()


@pytest.mark.parametrize("way", ["compiled", "stacked"])
def test_nan_from_the_first_step_is_divergence_at_step_0(way: str) -> None:
    pack = Pack(trials=(a_trial("sam", 0, 0, rho=math.inf), a_trial("sam", 1, 0, rho=0.1)))
    bad, good = _train(pack, small_moons(), way=way)
    assert (bad.diverged, bad.diverged_step) == (True, 0)
    assert math.isnan(bad.radius)
    assert math.isnan(bad.surrogate_gap)
    assert not good.diverged
    assert good.diverged_step is None
    assert good.radius == pytest.approx(0.1, rel=1e-5)


def test_sgd_2x_trains_twice_the_epochs_of_the_same_course() -> None:
    task = small_moons()
    (once,) = _train(Pack(trials=(a_trial("sgd", 0, 0),)), task)
    (twice,) = _train(Pack(trials=(a_trial("sgd_2x", 0, 0),)), task)
    assert len(twice.curve.f) == 2 * RECIPE.epochs
    assert twice.curve.f[: RECIPE.epochs] == once.curve.f


def test_a_trial_overrides_the_recipe() -> None:
    task = small_moons()
    recipe = RECIPE.model_copy(update={"lr": 0.03, "momentum": 0.5, "weight_decay": 0.01})
    own = a_trial("sam", 0, 0, rho=0.1, lr=0.03, momentum=0.5, weight_decay=0.01)
    (by_trial,) = _train(Pack(trials=(own,)), task)
    (by_recipe,) = _train(Pack(trials=(a_trial("sam", 0, 0, rho=0.1),)), task, recipe)
    assert by_trial.curve == by_recipe.curve


def test_proportional_rho_follows_the_learning_rate() -> None:
    task = small_moons()
    recipe = RECIPE.model_copy(
        update={"epochs": 4, "lr_schedule": "cosine", "rho_schedule": "proportional"}
    )
    (outcome,) = _train(Pack(trials=(a_trial("sam", 0, 0, rho=0.4),)), task, recipe)
    radii = np.array(outcome.curve.radius)
    assert (np.diff(radii) < 0).all()
    assert radii[0] < 0.4
    assert radii[-1] < 0.1


def test_the_surrogate_gap_is_the_difference_of_the_losses() -> None:
    (outcome,) = _train(Pack(trials=(a_trial("sam", 0, 0, rho=0.5),)), small_moons())
    gaps = np.array(outcome.curve.f_p) - np.array(outcome.curve.f)
    np.testing.assert_allclose(outcome.curve.surrogate_gap, gaps, rtol=1e-9)
    assert outcome.surrogate_gap == pytest.approx(np.mean(gaps))
    assert outcome.surrogate_gap > 0


def test_nothing_depends_on_the_process() -> None:
    """Neither its generators nor which one it is; and it is left as it was."""
    code = (
        "from tests.engine.problems import *\n"
        "from agsam_tune.engine import train_pack\n"
        f"for o in train_pack(a_pack('gsam', 3), small_moons(), RECIPE, study_seed={SEED}):\n"
        "    print(repr(o.curve), o.test_loss)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    threads = torch.get_num_threads()
    own = _train(a_pack("gsam", 3), small_moons())
    assert torch.get_num_threads() == threads
    assert (torch.tensor([1e-40]) * 0.5).item() != 0  # denormal numbers are back
    torch.rand(7)
    assert all(map(same_bits, own, _train(a_pack("gsam", 3), small_moons())))
    assert done.stdout.splitlines() == [f"{o.curve!r} {o.test_loss}" for o in own]
