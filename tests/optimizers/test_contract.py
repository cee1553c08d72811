"""What every optimizer promises; a new rule is tested here without writing a test.

The contract itself is `agsam_tune.contract`, which a plugin runs on its own rules. What is added
here holds for the built-in optimizers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from agsam_tune.contract import check_rule
from agsam_tune.optimizers import RULES, Rule, optimizer, perturbed, plain, rule, rules, unit

from .problems import DTYPES, NAMES, TWO_PASS, apply, ordinary_columns, ordinary_rows, pick

SEARCH_SPACES = Path(__file__).parents[2] / "search_spaces"

every_rule = pytest.mark.parametrize("name", NAMES)
both_precisions = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@every_rule
def test_it_keeps_the_contract(name: str) -> None:
    path = SEARCH_SPACES / f"{name}.toml"
    assert path.is_file(), f"{name} has no {path.name}"
    check_rule(RULES[name], search_space=path)


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
def test_tiny_and_huge_gradients_do_not_vanish(name: str, dtype: torch.dtype) -> None:
    chosen = RULES[name]
    w_KP = 20 * ordinary_rows(7, 37, dtype, seed=0)
    values = ordinary_columns(chosen, 7, dtype, seed=3)
    limits = torch.finfo(dtype)
    for size in (limits.smallest_normal, limits.tiny**0.5, limits.max**0.5, limits.max / 100):
        g_KP, gp_KP = (size * ordinary_rows(7, 37, dtype, seed=s) for s in (1, 2))
        results = apply(chosen, w_KP, g_KP, gp_KP, values)
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


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that a test adds are gone after it."""
    monkeypatch.setattr(rules, "RULES", dict(RULES))


@pytest.mark.usefixtures("own_registry")
class TestOneFunctionIsANewOptimizer:
    def test_it_is_found_by_its_name(self) -> None:
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
        check_rule(signed)

    def test_it_does_not_replace_another(self) -> None:
        before = dict(rules.RULES)
        for name in ("gsam", "sgd"):
            with pytest.raises(ValueError, match=f"the name {name!r} is that of agsam_tune"):

                @optimizer(direction=perturbed, name=name)
                def gsam(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
                    return rho_K1 * unit(g_KP)

        with pytest.raises(ValueError, match="another name"):
            rules.register(
                Rule(name="sgd", ascent=None, direction=plain, hyperparameters=(), epoch_factor=3)
            )
        assert before == rules.RULES

    def test_it_may_be_defined_again(self) -> None:
        for _ in range(2):

            @optimizer(direction=perturbed)
            def again(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
                return rho_K1 * unit(g_KP)

            assert rule("again").ascent is again

    @pytest.mark.parametrize(
        "step",
        [
            lambda w_KP, g_KP, *, rho: w_KP + rho * g_KP,
            lambda w_KP, g_KP, rho_K1: w_KP + rho_K1 * g_KP,
            lambda w_KP, *, rho_K1: rho_K1 * w_KP,
            lambda w_KP, g_KP, *, rho_K1, **others: w_KP + rho_K1 * g_KP * len(others),
            lambda *matrices, rho_K1: rho_K1 * matrices[0],
        ],
    )
    def test_its_arguments_say_what_they_are(self, step: rules.Callable[..., Tensor]) -> None:
        for functions in ((step, perturbed), (rules.ball, step)):
            with pytest.raises(TypeError, match=r"two matrices, then '\*', then .* NAME_K1"):
                optimizer(direction=functions[1], name="odd")(functions[0])
        assert "odd" not in rules.RULES
