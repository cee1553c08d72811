"""The optimizers: each is an ascent step Δw and an update direction, two pure functions.

In: weights w and gradients g of K models as the rows of (K, P) matrices, and
hyperparameters as (K, 1) columns, one value a row. Out: matrices of the same shape. The
same functions serve the engine, where a row is a trial, and `torch.optim` classes, where
K is 1. Must not import Ray, Optuna, the engine or the study file.

To add an optimizer, write its ascent step below, decorate it with `@optimizer(...)`, and
add `search_spaces/NAME.toml`. The arguments' names say which hyperparameters it has.

Shapes: K rows (models), P parameters of one model. ĝ = g/‖g‖₂, all norms over one row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from agsam_tune.optimizers.rows import norm, orthogonal, unit

_COLUMN = "_K1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An optimizer. `ascent` is None for rules with one gradient a step.

    Attributes:
        name: the optimizer's name in study files.
        ascent: (w_KP, g_KP, *, rho_K1, …) → Δw, or None.
        direction: (g_KP, gp_KP, *, alpha_K1, …) → what the base optimizer applies, where
            gp is the gradient at w + Δw on the same batch.
        hyperparameters: the names both functions take, without their shape suffix.
        epoch_factor: epochs trained for each epoch of the study's recipe.
    """

    name: str
    ascent: Callable[..., Tensor] | None
    direction: Callable[..., Tensor]
    hyperparameters: tuple[str, ...]
    epoch_factor: int = 1

    def ascent_step(self, w_KP: Tensor, g_KP: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
        """Δw for every row; `columns` maps hyperparameters to (K, 1) tensors."""
        if self.ascent is None:
            msg = f"{self.name} takes one gradient a step and has no ascent step"
            raise TypeError(msg)
        return self.ascent(w_KP, g_KP, **{a: columns[h] for a, h in _arguments(self.ascent)})

    def update_direction(
        self, g_KP: Tensor, gp_KP: Tensor, columns: Mapping[str, Tensor]
    ) -> Tensor:
        """The direction that the base optimizer applies, for every row."""
        return self.direction(g_KP, gp_KP, **{a: columns[h] for a, h in _arguments(self.direction)})


RULES: dict[str, Rule] = {}


def _columns(function: Callable[..., Tensor]) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def _hyperparameters(*functions: Callable[..., Tensor]) -> tuple[str, ...]:
    names = [name.removesuffix(_COLUMN) for function in functions for name in _columns(function)]
    return tuple(dict.fromkeys(names))


# Called twice a training step, so the signature is read once.
@cache
def _arguments(function: Callable[..., Tensor]) -> tuple[tuple[str, str], ...]:
    return tuple((name, name.removesuffix(_COLUMN)) for name in _columns(function))


def rule(name: str) -> Rule:
    """The optimizer called `name`. Raises KeyError, naming those there are."""
    if name not in RULES:
        msg = f"no optimizer is called {name!r}; there are {', '.join(sorted(RULES))}"
        raise KeyError(msg)
    return RULES[name]


def optimizer(
    *, direction: Callable[..., Tensor], name: str = ""
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register the decorated ascent step as an optimizer called `name` or as the function is."""

    def register(ascent: Callable[..., Tensor]) -> Callable[..., Tensor]:
        title = name or ascent.__name__
        RULES[title] = Rule(
            name=title,
            ascent=ascent,
            direction=direction,
            hyperparameters=_hyperparameters(ascent, direction),
        )
        return ascent

    return register


# ── update directions: (g, gp) → what the base optimizer applies ─────────────────────────


def perturbed(g_KP: Tensor, gp_KP: Tensor) -> Tensor:  # noqa: ARG001
    """gp: SAM's direction (Foret et al. 2021, arXiv 2010.01412, eq. 3)."""
    return gp_KP


def decomposed(g_KP: Tensor, gp_KP: Tensor, *, alpha_K1: Tensor) -> Tensor:
    """gp − α g⊥, g⊥ = g − (⟨g, gp⟩/‖gp‖²) gp: GSAM's (Zhuang et al. 2022, arXiv 2203.08065)."""
    return torch.addcmul(gp_KP, alpha_K1, orthogonal(g_KP, gp_KP), value=-1)


def penalised(g_KP: Tensor, gp_KP: Tensor, *, lam_K1: Tensor) -> Tensor:
    """gp − (1−λ) g: descends λ f_p + (1−λ) h, the combination that the paper warns of."""
    return gp_KP - (1.0 - lam_K1) * g_KP


# ── ascent steps: (w, g) → Δw ────────────────────────────────────────────────────────────


@optimizer(name="gap_penalty", direction=penalised)
@optimizer(name="gsam", direction=decomposed)
@optimizer(name="sam", direction=perturbed)
def ball(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:  # noqa: ARG001
    """Δw = ρ ĝ: the worst point of a ball, to first order (arXiv 2010.01412, eq. 2)."""
    return rho_K1 * unit(g_KP)


@optimizer(direction=decomposed)
def adaptive_gsam(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor, gamma_K1: Tensor) -> Tensor:
    """Δw = ρ ĝ ∘ (|w|+γ): the paper's Adaptive-GSAM."""
    return rho_K1 * (unit(g_KP) * (w_KP.abs() + gamma_K1))


@optimizer(direction=decomposed)
def gsam_matched(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor, gamma_K1: Tensor) -> Tensor:
    """Δw = ρ ‖ĝ∘(|w|+γ)‖ ĝ: GSAM's direction with Adaptive-GSAM's length, the control."""
    g_unit_KP = unit(g_KP)
    return (rho_K1 * norm(g_unit_KP * (w_KP.abs() + gamma_K1))) * g_unit_KP


@optimizer(name="adaptive_gsam_t2", direction=decomposed)
@optimizer(direction=perturbed)
def asam(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor, gamma_K1: Tensor) -> Tensor:
    """Δw = ρ T²g/‖Tg‖, T = |w|+γ: ASAM (Kwon et al. 2021, arXiv 2102.11600, eq. 3)."""
    scale_KP = w_KP.abs() + gamma_K1
    # Taken from the unit gradient, so that a tiny or huge g does not leave the range.
    return rho_K1 * (scale_KP * unit(scale_KP * unit(g_KP)))


# ── rules with one gradient a step ───────────────────────────────────────────────────────


def plain(g_KP: Tensor, gp_KP: Tensor) -> Tensor:  # noqa: ARG001
    """g: the base optimizer alone."""
    return g_KP


RULES["sgd"] = Rule(name="sgd", ascent=None, direction=plain, hyperparameters=())
# SAM's two passes at equal cost: twice the epochs.
RULES["sgd_2x"] = Rule(
    name="sgd_2x", ascent=None, direction=plain, hyperparameters=(), epoch_factor=2
)
