"""Ascent steps of exactly the length that a trial of the phase `radius` asks for."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from agsam_tune.engine import train_pack
from agsam_tune.engine.compiled.rows import takes_sgd_step
from agsam_tune.optimizers import RULES, optimizer, rule
from agsam_tune.optimizers.rows import norm, of_length
from agsam_tune.optimizers.rules import perturbed
from agsam_tune.trials import Outcome, Pack
from tests.engine.problems import RECIPE, a_pack, blobs, small_moons

TWO_PASS = sorted(name for name, known in RULES.items() if known.ascent is not None)


def at_length(pack: Pack) -> Pack:
    """The same settings, with rho for the length of the step."""
    return Pack(trials=tuple(dataclasses.replace(t, phase="radius") for t in pack.trials))


def lengths(pack: Pack) -> list[float]:
    return [dict(trial.hyperparameters)["rho"] for trial in pack.trials]


def trained(pack: Pack, way: str = "auto", **recipe: object) -> tuple[Outcome, ...]:
    return train_pack(pack, blobs(), RECIPE.model_copy(update=recipe), study_seed=0, way=way)


@pytest.fixture
def direction_only() -> Iterator[str]:
    """A rule of a user's without rho: only the direction of its step counts."""

    @optimizer(direction=perturbed, name="signs")
    def signs(w_KP: Tensor, g_KP: Tensor, *, gamma_K1: Tensor) -> Tensor:
        return torch.sign(g_KP) * (w_KP.abs() + gamma_K1)

    yield "signs"
    del RULES["signs"]


@pytest.mark.parametrize("way", ["compiled", "stacked", "rows"])
@pytest.mark.parametrize("name", TWO_PASS)
def test_the_measured_radius_is_what_was_asked_for(name: str, way: str) -> None:
    pack = at_length(a_pack(name, 6))
    for outcome, length in zip(trained(pack, way), lengths(pack), strict=True):
        assert not outcome.diverged
        assert outcome.radius == pytest.approx(length, rel=1e-6)


def test_a_rule_of_ones_own_without_rho_has_a_length_too(direction_only: str) -> None:
    trials = [
        dataclasses.replace(
            trial,
            optimizer=direction_only,
            phase="radius",
            hyperparameters=(("gamma", 0.3), ("rho", 0.1 * (k + 1))),
        )
        for k, trial in enumerate(a_pack("sam", 4).trials)
    ]
    pack = Pack(trials=tuple(trials))
    radii = [outcome.radius for outcome in trained(pack)]
    assert radii == pytest.approx(lengths(pack), rel=1e-6)


@pytest.mark.parametrize("name", ["gsam", "adaptive_gsam", "asam"])
def test_the_ways_agree(name: str) -> None:
    """After one epoch, before training amplifies what they round otherwise."""
    assert takes_sgd_step(rule(name), RECIPE)
    pack = at_length(a_pack(name, 4))
    compiled, stacked = (trained(pack, way, epochs=1) for way in ("compiled", "stacked"))
    for ours, theirs in zip(compiled, stacked, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-3)


@pytest.mark.parametrize("way", ["compiled", "stacked"])
def test_a_ball_s_steps_are_what_they_were(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of gsam rho is the length of the step already."""
    pack = at_length(a_pack("gsam", 4))
    exact = trained(pack, way)
    # The same coordinates, so the same weights and batches.
    monkeypatch.setattr(Pack, "has_exact_steps", False)
    for at, usual in zip(exact, trained(pack, way), strict=True):
        assert at.train_loss == pytest.approx(usual.train_loss, rel=1e-4)


def test_only_the_direction_of_another_unit_counts() -> None:
    """gamma so large that adaptive_gsam is gsam in another unit: the same steps, exactly."""
    pairs = []
    for name in ("gsam", "adaptive_gsam"):
        trials = [
            dataclasses.replace(
                trial,
                optimizer=name,
                hyperparameters=(("rho", 0.3), ("alpha", 0.1))
                + ((("gamma", 1e6),) if name == "adaptive_gsam" else ()),
            )
            for trial in a_pack("gsam", 2).trials
        ]
        pairs.append(trained(at_length(Pack(trials=tuple(trials))), epochs=1))
    for ours, theirs in zip(*pairs, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-3)


def test_a_schedule_of_rho_scales_the_length() -> None:
    pack = at_length(a_pack("adaptive_gsam", 2))
    recipe = {"lr_schedule": "linear", "rho_schedule": "proportional"}
    whole, scaled = trained(pack), trained(pack, **recipe)
    factors = [s.radius / w.radius for s, w in zip(scaled, whole, strict=True)]
    assert factors[0] == pytest.approx(factors[1], rel=1e-6)
    assert 0.3 < factors[0] < 0.7


def test_a_row_s_bits_do_not_depend_on_its_pack() -> None:
    pack = at_length(a_pack("adaptive_gsam", 4))
    alone = train_pack(Pack(trials=pack.trials[2:3]), small_moons(), RECIPE, study_seed=0)
    together = train_pack(pack, small_moons(), RECIPE, study_seed=0)
    assert alone[0].train_loss == together[2].train_loss


@pytest.mark.parametrize("size", [0.0, 1e-42, 1e-20, 1.0, 1e20, 3e37])
@pytest.mark.parametrize("columns", [40, 225_034])
def test_rows_of_every_size_get_their_length(size: float, columns: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x_KP = torch.rand(3, columns, generator=generator) * size
    length_K1 = torch.tensor([[0.0], [0.7], [3.0]])
    found_KP = of_length(x_KP, length_K1)
    expected_K1 = torch.where(x_KP.any(1, keepdim=True), length_K1, 0.0)
    torch.testing.assert_close(norm(found_KP.double()), expected_K1.double(), rtol=1e-6, atol=0.0)
