"""ASAM with biases unscaled, against its authors' rule, in the classes and in the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from agsam_tune.engine import train_pack
from agsam_tune.engine.lockstep import _is_weight
from agsam_tune.engine.ways import pack_model
from agsam_tune.optim import ASAM, TwoPass
from agsam_tune.optimizers.kinds import kind_of
from agsam_tune.tasks.task import Network
from tests.engine.problems import RECIPE, a_pack, blobs

from .problems import batches, closure_for, mlp, seeded, train


def _norms() -> nn.Module:
    """Norms have weights and biases, both of one dimension."""
    layers = (nn.Linear(2, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 3, bias=False))
    return seeded(nn.Sequential(*layers))


def _of_the_authors(
    named: Mapping[str, tuple[Tensor, Tensor]], rho: float, eta: float
) -> dict[str, Tensor]:
    """Δw by name of (w, g) by name, as their program computes it: in float64, in NumPy.

    Every tensor whose name has "weight" in it is scaled by |w| + η, twice, the rest not; the norm
    is that of all tensors after the first scaling.
    """
    scale = {
        name: np.abs(w.double().numpy()) + eta if "weight" in name else np.ones(w.shape)
        for name, (w, _) in named.items()
    }
    once = {name: scale[name] * g.double().numpy() for name, (_, g) in named.items()}
    length = np.sqrt(sum(float((x**2).sum()) for x in once.values()))
    return {name: torch.from_numpy(rho * scale[name] * x / length) for name, x in once.items()}


def _with_model(model: nn.Module, **arguments: Any) -> TwoPass:
    return ASAM(model.parameters(), model=model, scaled="weights", **arguments)


def _named(model: nn.Module, **arguments: Any) -> TwoPass:
    return ASAM(model.named_parameters(), scaled="weights", **arguments)


def _of_the_rule(model: nn.Module, *, lr: float, **hyperparameters: float) -> TwoPass:
    groups = [{"params": [named]} for named in model.named_parameters()]
    return TwoPass(groups, rule="asam_weights", hyperparameters=hyperparameters, lr=lr)


@pytest.mark.parametrize("make", [_with_model, _named, _of_the_rule])
@pytest.mark.parametrize("build", [mlp, _norms])
def test_each_step_is_that_of_the_authors(
    build: Callable[[], nn.Module], make: Callable[..., TwoPass]
) -> None:
    model = build()
    optimizer = make(model, rho=0.5, gamma=0.01, lr=0.1)
    for batch in batches(3):
        closure = closure_for(model, optimizer, batch)
        closure()
        before = {n: (p.detach().clone(), p.grad.clone()) for n, p in model.named_parameters()}
        expected = _of_the_authors(before, rho=0.5, eta=0.01)
        optimizer.first_step()
        for name, p in model.named_parameters():
            step = p.detach().double() - before[name][0]
            torch.testing.assert_close(step, expected[name], rtol=1e-4, atol=1e-7)
        closure()
        optimizer.second_step()


def test_scaling_all_is_the_default_and_another_step() -> None:
    ends = []
    for arguments in ({}, {"scaled": "all"}, {"scaled": "weights"}):
        model = mlp()
        optimizer = ASAM(model.parameters(), lr=0.1, model=model, **arguments)
        ends.append(train(model, optimizer, batches(2)))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_a_parameter_that_is_left_out_of_a_step_moves_no_other_s_mark() -> None:
    """Which entries are biases is kept from step to step, for as long as the row is the same."""
    model, other = mlp(), mlp()
    optimizer = _with_model(model, lr=0.1)
    train(model, optimizer, batches(1))
    other.load_state_dict(model.state_dict())
    model[0].weight.requires_grad_(False)
    other[0].weight.requires_grad_(False)
    end = train(model, optimizer, batches(2))
    assert torch.equal(end, train(other, _with_model(other, lr=0.1), batches(2)))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (lambda net: net.parameters(), r"knows them by their names.*pass model=model, or"),
        (lambda net: [{"params": net.parameters()}], "the rule asam_weights of ASAM"),
    ],
)
def test_without_names_it_is_refused(params: Callable[[nn.Module], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ASAM(params(mlp()), scaled="weights")


def test_other_ways_of_scaling_are_refused() -> None:
    with pytest.raises(ValueError, match="scaled of ASAM is 'biases'; allowed is 'all' or"):
        ASAM(mlp().parameters(), scaled="biases")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("0.weight", "weight"), ("0.bias", "bias"), ("weight", "weight"), ("cls_token", "bias")),
        *(("weight_net.0.bias", "bias"), ("lstm.weight_ih_l0", "weight"), ("bn.weight", "weight")),
        ("0.parametrizations.weight.original0", "weight"),
        ("0.parametrizations.bias.original", "bias"),
    ],
)
def test_kinds_are_told_by_a_parameter_s_own_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


# ── the engine ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["compiled", "stacked", "rows", "vmap"])
def test_every_way_of_the_engine_marks_the_weights(way: str) -> None:
    task = blobs(widths=(3, 5, 2))
    model = pack_model(task, RECIPE, way=way, device=torch.device("cpu"), dtype=torch.float32)
    mask_1P = _is_weight(model, torch.zeros(2, model.width))
    assert mask_1P.shape == (1, model.width)
    marked = [bool(part.all()) for part in model.unpacked(mask_1P)]
    assert marked == [True, False, True, False]
    assert int(mask_1P.sum()) == 3 * 5 + 5 * 2


def test_a_norm_s_weight_counts_as_one_in_the_engine() -> None:
    task = replace(blobs(widths=(2, 3)), model=Network(build=_norms, outputs=3))
    rows = pack_model(task, RECIPE, way="rows", device=torch.device("cpu"), dtype=torch.float32)
    assert rows.kinds == ("weight", "bias", "weight", "bias", "weight")


def test_a_study_trains_with_it() -> None:
    """To another end than asam, and to the same in every way but for rounding."""
    ends = []
    for name, way in (("asam_weights", "compiled"), ("asam_weights", "rows"), ("asam", "rows")):
        outcomes = train_pack(a_pack(name, 3), blobs(), RECIPE, study_seed=1, way=way)
        ends.append([outcome.test_loss for outcome in outcomes])
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-3)
    assert not np.allclose(ends[1], ends[2], rtol=1e-3)
