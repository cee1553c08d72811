"""What every optimizer promises; a new rule is tested here without writing a test."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agsam_tune.optimizers import RULES, optimizer, rule
from agsam_tune.optimizers.rules import perturbed

from .problems import DTYPES, NAMES, TWO_PASS, apply, ordinary_columns, ordinary_rows, pick

SEARCH_SPACES = Path(__file__).parents[2] / "search_spaces"
# A search space may also hold these: they belong to the base optimizer.
OF_THE_BASE = {"lr", "momentum", "weight_decay"}

every_rule = pytest.mark.parametrize("name", NAMES)
both_precisions = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@every_rule
@both_precisions
def test_shapes_and_precision_are_kept_and_arguments_left_alone(
    name: str, dtype: torch.dtype
) -> None:
    chosen = RULES[name]
    rows = tuple(ordinary_rows(7, 37, dtype, seed=s) for s in range(3))
    values = ordinary_columns(chosen, 7, dtype, seed=3)
    before = [x.clone() for x in (*rows, *values.values())]
    for result_KP in apply(chosen, *rows, values):
        assert result_KP.shape == (7, 37)
        assert result_KP.dtype == dtype
        assert bool(result_KP.isfinite().all())
    for now, then in zip((*rows, *values.values()), before, strict=True):
        assert torch.equal(now, then)


@every_rule
@both_precisions
def test_each_hyperparameter_acts_and_acts_on_its_own_row(name: str, dtype: torch.dtype) -> None:
    chosen = RULES[name]
    rows = tuple(ordinary_rows(7, 37, dtype, seed=s) for s in range(3))
    values = ordinary_columns(chosen, 7, dtype, seed=3)
    before = apply(chosen, *rows, values)
    for hyperparameter in chosen.hyperparameters:
        changed = {h: column_K1.clone() for h, column_K1 in values.items()}
        changed[hyperparameter][2] *= 0.5
        after = apply(chosen, *rows, changed)
        others = [0, 1, 3, 4, 5, 6]
        assert all(torch.equal(a[others], b[others]) for a, b in zip(after, before, strict=True))
        assert any(not torch.equal(a[2], b[2]) for a, b in zip(after, before, strict=True)), (
            f"{hyperparameter} has no effect"
        )


@every_rule
def test_a_zero_gradient_gives_zero(name: str) -> None:
    chosen = RULES[name]
    w_KP = ordinary_rows(7, 37, torch.float32, seed=0)
    zero_KP = torch.zeros_like(w_KP)
    values = ordinary_columns(chosen, 7, torch.float32, seed=3)
    for result_KP in apply(chosen, w_KP, zero_KP, zero_KP, values):
        assert torch.equal(result_KP, zero_KP)


@every_rule
@both_precisions
def test_tiny_and_huge_gradients_give_finite_numbers(name: str, dtype: torch.dtype) -> None:
    chosen = RULES[name]
    w_KP = 20 * ordinary_rows(7, 37, dtype, seed=0)
    values = ordinary_columns(chosen, 7, dtype, seed=3)
    limits = torch.finfo(dtype)
    for size in (limits.smallest_normal, limits.tiny**0.5, limits.max**0.5, limits.max / 100):
        g_KP, gp_KP = (size * ordinary_rows(7, 37, dtype, seed=s) for s in (1, 2))
        results = apply(chosen, w_KP, g_KP, gp_KP, values)
        assert all(bool(result_KP.isfinite().all()) for result_KP in results), size
        assert all(bool((result_KP != 0).any(dim=1).all()) for result_KP in results), size


@pytest.mark.parametrize("name", TWO_PASS)
def test_the_step_grows_with_the_radius_and_climbs(name: str) -> None:
    """Twice rho is twice Δw, and ⟨Δw, g⟩ > 0: an ascent."""
    chosen = RULES[name]
    w_KP, g_KP = (ordinary_rows(7, 37, torch.float64, seed=s) for s in range(2))
    values = ordinary_columns(chosen, 7, torch.float64, seed=3)
    step_KP = chosen.ascent_step(w_KP, g_KP, values)
    assert bool(((step_KP * g_KP).sum(dim=1) > 0).all())
    doubled = {**values, "rho": 2 * values["rho"]}
    assert torch.equal(chosen.ascent_step(w_KP, g_KP, doubled), 2 * step_KP)


@every_rule
def test_columns_of_other_optimizers_are_ignored(name: str) -> None:
    """A pack may hand every rule the columns of the whole study."""
    chosen = RULES[name]
    rows = tuple(ordinary_rows(7, 37, torch.float32, seed=s) for s in range(3))
    values = ordinary_columns(chosen, 7, torch.float32, seed=3)
    more = {**values, "of_another_optimizer": torch.full((7, 1), float("nan"))}
    for a, b in zip(apply(chosen, *rows, more), apply(chosen, *rows, values), strict=True):
        assert torch.equal(a, b)


@every_rule
def test_it_has_a_search_space_with_its_hyperparameters(name: str) -> None:
    path = SEARCH_SPACES / f"{name}.toml"
    assert path.is_file(), f"{name} has no {path.name}"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    assert table.pop("optimizer") == name
    ranges = {key for key, value in table.items() if isinstance(value, dict)}
    assert ranges - OF_THE_BASE == set(RULES[name].hyperparameters)


def test_every_search_space_has_an_optimizer() -> None:
    assert {path.stem for path in SEARCH_SPACES.glob("*.toml")} == set(RULES)


def test_an_unknown_optimizer_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"'gsamm'.*adaptive_gsam.*gsam"):
        rule("gsamm")


@pytest.mark.parametrize("name", [n for n in NAMES if n not in TWO_PASS])
def test_one_pass_rules_have_no_ascent_step(name: str) -> None:
    w_KP = torch.ones(1, 2)
    with pytest.raises(TypeError, match=name):
        rule(name).ascent_step(w_KP, w_KP, {})


def test_one_function_is_a_new_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agsam_tune.optimizers.rules.RULES", dict(RULES))

    @optimizer(direction=perturbed)
    def signed(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor, slope_K1: Tensor) -> Tensor:
        return rho_K1 * torch.tanh(slope_K1 * g_KP)

    found = rule("signed")
    assert found.hyperparameters == ("rho", "slope")
    values = ordinary_columns(found, 3, torch.float32, seed=0)
    w_KP, g_KP = (ordinary_rows(3, 5, torch.float32, seed=s) for s in range(2))
    expected_KP = values["rho"] * torch.tanh(values["slope"] * g_KP)
    assert torch.equal(found.ascent_step(w_KP, g_KP, values), expected_KP)
    assert pick(values, [0])["rho"].shape == (1, 1)
