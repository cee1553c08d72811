"""The papers' optimizers: SAM, ASAM, GSAM and Adaptive-GSAM, each one rule.

In: parameters, hyperparameters, the class of a base optimizer. Out: an optimizer. Must not
import anything of this package but `two_pass`.
"""

from __future__ import annotations

from typing import Any, Literal

from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.optimizer import ParamsT

from agsam_tune.optim.two_pass import TwoPass

# The arguments that all have in common are described at `TwoPass`.


class SAM(TwoPass):
    """Sharpness-aware minimisation: Δw = ρ ĝ, d = gp (Foret et al. 2021, arXiv 2010.01412)."""

    def __init__(
        self,
        params: ParamsT,
        base_optimizer: type[Optimizer] = SGD,
        *,
        rho: float = 0.05,
        max_grad_norm: float | None = None,
        model: nn.Module | None = None,
        **base_arguments: Any,
    ) -> None:
        """`rho` ≥ 0 is the radius ‖Δw‖; all others are described at `TwoPass`."""
        super().__init__(
            params,
            base_optimizer,
            rule="sam",
            hyperparameters={"rho": rho},
            max_grad_norm=max_grad_norm,
            model=model,
            **base_arguments,
        )


class ASAM(TwoPass):
    """Adaptive SAM: Δw = ρ T²g/‖Tg‖, T = |w|+γ, d = gp (Kwon et al. 2021, arXiv 2102.11600)."""

    def __init__(
        self,
        params: ParamsT,
        base_optimizer: type[Optimizer] = SGD,
        *,
        rho: float = 0.5,
        gamma: float = 0.01,
        scaled: Literal["all", "weights"] = "all",
        max_grad_norm: float | None = None,
        model: nn.Module | None = None,
        **base_arguments: Any,
    ) -> None:
        """`rho` ≥ 0 is the radius ‖T⁻¹Δw‖, `gamma` ≥ 0 keeps weights of 0 moving.

        `scaled` says what T = |w|+γ holds for: "all" parameters, as in davda54/sam with
        adaptive=True (γ = 0 there); or "weights", T = 1 for biases, as in the authors' own
        program (SamsungLabs/ASAM), which the default values are from. It takes for a weight what
        has "weight" in its name, a norm's scale too, and so needs names: `model`, or
        model.named_parameters() as `params`. All others are described at `TwoPass`.
        """
        rules = {"all": "asam", "weights": "asam_weights"}
        if scaled not in rules:
            msg = f"scaled of {type(self).__name__} is {scaled!r}; allowed is 'all' or 'weights'"
            raise ValueError(msg)
        super().__init__(
            params,
            base_optimizer,
            rule=rules[scaled],
            hyperparameters={"rho": rho, "gamma": gamma},
            max_grad_norm=max_grad_norm,
            model=model,
            **base_arguments,
        )


class GSAM(TwoPass):
    """Surrogate-gap SAM: Δw = ρ ĝ, d = gp − α g⊥ (Zhuang et al. 2022, arXiv 2203.08065).

    g⊥ = g − (⟨g, gp⟩/‖gp‖²) gp is the part of the first gradient that is orthogonal to the second.
    """

    def __init__(
        self,
        params: ParamsT,
        base_optimizer: type[Optimizer] = SGD,
        *,
        rho: float = 0.05,
        alpha: float = 0.1,
        max_grad_norm: float | None = None,
        model: nn.Module | None = None,
        **base_arguments: Any,
    ) -> None:
        """`rho` ≥ 0 is the radius ‖Δw‖, `alpha` ≥ 0 the weight of the surrogate gap."""
        super().__init__(
            params,
            base_optimizer,
            rule="gsam",
            hyperparameters={"rho": rho, "alpha": alpha},
            max_grad_norm=max_grad_norm,
            model=model,
            **base_arguments,
        )


class AdaptiveGSAM(TwoPass):
    """Adaptive-GSAM: Δw = ρ ĝ∘(|w|+γ), d = gp − α g⊥.

    The optimizer of "Improving Sharpness-Aware Minimisation"; its radius is ρ‖ĝ∘(|w|+γ)‖, a
    fraction of GSAM's at the same rho.
    """

    def __init__(
        self,
        params: ParamsT,
        base_optimizer: type[Optimizer] = SGD,
        *,
        rho: float = 0.5,
        alpha: float = 0.04,
        gamma: float = 0.1,
        max_grad_norm: float | None = None,
        model: nn.Module | None = None,
        **base_arguments: Any,
    ) -> None:
        """`rho`, `gamma` ≥ 0 scale the step, `alpha` ≥ 0 is the weight of the surrogate gap."""
        super().__init__(
            params,
            base_optimizer,
            rule="adaptive_gsam",
            hyperparameters={"rho": rho, "alpha": alpha, "gamma": gamma},
            max_grad_norm=max_grad_norm,
            model=model,
            **base_arguments,
        )
