"""The optimizers: each is an ascent step Δw and an update direction, two pure functions.

In: weights w and gradients g of K models as the rows of (K, P) matrices, and
hyperparameters as (K, 1) columns, one value a row. Out: matrices of the same shape. The
same functions serve the engine, where a row is a trial, and `torch.optim` classes, where
K is 1. Must not import Ray, Optuna, the engine or the study file.

An optimizer is an ascent step decorated with `@optimizer(...)`, here or in a module of the
user's (docs/extend.md). The arguments' names say which hyperparameters it has.

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
#: What a rule may ask for besides hyperparameters: which entries of a row are of weights and
#: which of biases (`kinds`), (1, P) bool, the same for all rows.
IS_WEIGHT = "is_weight"
_ASKED = f"{IS_WEIGHT}_1P"
_OF_THE_BASE = ("lr", "momentum", "weight_decay")


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

    @property
    def asks_for_weights(self) -> bool:
        """Whether `columns` must hold `is_weight`, (1, P) bool: what is not of a bias."""
        functions = (self.direction, *([self.ascent] if self.ascent else []))
        return any(_ASKED in _columns(function) for function in functions)

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


def register(added: Rule) -> None:
    """Enter a rule under its name, so that `rule(name)` finds it.

    The same functions may be registered again, as when their module is imported anew.

    Raises:
        ValueError: another rule has the name.
    """
    known = RULES.get(added.name)
    if known is not None and source(known) != source(added):
        msg = (
            f"the name {added.name!r} is that of {_place(known.ascent or known.direction)}; "
            f"allowed for {_place(added.ascent or added.direction)}: another name, "
            'as in @optimizer(name="…")'
        )
        raise ValueError(msg)
    RULES[added.name] = added


def source(known: Rule) -> tuple[str, str, tuple[str, ...], int]:
    """What makes two rules the same one, whichever import of their modules they are from."""
    ascent = _place(known.ascent) if known.ascent else ""
    return ascent, _place(known.direction), known.hyperparameters, known.epoch_factor


def _place(function: Callable[..., Tensor]) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{function.__module__}.{name}"


def _columns(function: Callable[..., Tensor]) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def hyperparameters_of(*functions: Callable[..., Tensor]) -> tuple[str, ...]:
    """The hyperparameters that the functions take between them, without their shape suffix."""
    names = [name for function in functions for name in _columns(function) if name != _ASKED]
    return tuple(dict.fromkeys(name.removesuffix(_COLUMN) for name in names))


# Called twice a training step, so the signature is read once.
@cache
def _arguments(function: Callable[..., Tensor]) -> tuple[tuple[str, str], ...]:
    suffixed = {name: name.removesuffix(_COLUMN) for name in _columns(function)}
    return tuple((suffixed | ({_ASKED: IS_WEIGHT} if _ASKED in suffixed else {})).items())


def check_arguments(function: Callable[..., Tensor]) -> None:
    """Raise TypeError unless a rule's function takes what it will be given.

    That is two matrices by position, and a (K, 1) column by keyword for each hyperparameter.
    """
    parameters = inspect.signature(function).parameters.values()
    matrices = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    columns = [p for p in named if p.name.endswith(_COLUMN) or p.name == _ASKED]
    if len(matrices) != 2 or len(matrices) + len(columns) < len(parameters):
        msg = (
            f"{_place(function)} takes {inspect.signature(function)}; allowed: two matrices, "
            f"then '*', then an argument NAME{_COLUMN} for each hyperparameter NAME, such as "
            f"(w_KP, g_KP, *, rho{_COLUMN})"
        )
        raise TypeError(msg)
    for column in columns:
        name = column.name.removesuffix(_COLUMN)
        if name in _OF_THE_BASE:
            msg = f"{_place(function)} takes {column.name}; {name} belongs to the base optimizer"
            raise TypeError(msg)


def rule(name: str) -> Rule:
    """The optimizer called `name`. Raises KeyError, naming those there are."""
    if name not in RULES:
        msg = f"no optimizer is called {name!r}; there are {', '.join(sorted(RULES))}"
        raise KeyError(msg)
    return RULES[name]


def optimizer(
    *, direction: Callable[..., Tensor], name: str = ""
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register the decorated ascent step as an optimizer called `name` or as the function is.

    Raises:
        TypeError: the ascent step or the direction takes other arguments than a rule's.
        ValueError: another rule has the name.
    """

    def decorate(ascent: Callable[..., Tensor]) -> Callable[..., Tensor]:
        for function in (ascent, direction):
            check_arguments(function)
        added = Rule(
            name=name or ascent.__name__,
            ascent=ascent,
            direction=direction,
            hyperparameters=hyperparameters_of(ascent, direction),
        )
        register(added)
        return ascent

    return decorate


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
    return rho_K1 * _scaled_twice(g_KP, w_KP.abs() + gamma_K1)


@optimizer(direction=perturbed)
def asam_weights(
    w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor, gamma_K1: Tensor, is_weight_1P: Tensor
) -> Tensor:
    """ASAM's step with T = |w|+γ of weights alone, and T = 1 of biases.

    So it is in its authors' program (github.com/SamsungLabs/ASAM, asam.py).
    """
    return rho_K1 * _scaled_twice(g_KP, torch.where(is_weight_1P, w_KP.abs() + gamma_K1, 1.0))


def _scaled_twice(g_KP: Tensor, scale_KP: Tensor) -> Tensor:
    """T²g/‖Tg‖; taken from the unit gradient, so that a tiny or huge g stays within the range."""
    return scale_KP * unit(scale_KP * unit(g_KP))


# ── rules with one gradient a step ───────────────────────────────────────────────────────


def plain(g_KP: Tensor, gp_KP: Tensor) -> Tensor:  # noqa: ARG001
    """g: the base optimizer alone."""
    return g_KP


RULES["sgd"] = Rule(name="sgd", ascent=None, direction=plain, hyperparameters=())
# SAM's two passes at equal cost: twice the epochs.
RULES["sgd_2x"] = Rule(
    name="sgd_2x", ascent=None, direction=plain, hyperparameters=(), epoch_factor=2
)
