"""What an optimizer says of itself, and what it refuses, with a way to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from agsam_tune.optim import GSAM, SAM, AdaptiveGSAM, TwoPass

from .problems import mlp


def test_repr_names_both_optimizers_and_every_setting() -> None:
    text = repr(AdaptiveGSAM([nn.Parameter(torch.ones(1))], AdamW, lr=0.25, max_grad_norm=2.0))
    assert text.startswith("AdaptiveGSAM (around AdamW\nParameter Group 0\n")
    for line in ("    rho: 0.5\n", "    lr: 0.25\n", "    gamma: 0.1\n", "max_grad_norm: 2.0\n)"):
        assert line in text


ONE = [nn.Parameter(torch.ones(1))]


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: SAM(ONE, rho=-0.1), ValueError, "rho of SAM is -0.1; allowed"),
        (lambda: SAM(ONE, rho=float("nan")), ValueError, "rho of SAM is nan"),
        (lambda: SAM(ONE, rho="0.1"), ValueError, "rho of SAM is '0.1'"),
        (lambda: GSAM(ONE, alpha=-1), ValueError, "alpha of GSAM is -1"),
        (lambda: AdaptiveGSAM(ONE, gamma=float("inf")), ValueError, "gamma of AdaptiveGSAM is inf"),
        (lambda: SAM([{"params": ONE, "rho": -1}]), ValueError, "rho of SAM is -1"),
        (
            lambda: SAM([{"params": ONE, "gamma": 1}]),
            ValueError,
            "'gamma', which SAM does not have",
        ),
        (lambda: SAM(ONE, max_grad_norm=0), ValueError, "max_grad_norm of SAM is 0"),
        (lambda: SAM(ONE, max_grad_norm=-1), ValueError, "max_grad_norm of SAM is -1"),
        (lambda: SAM(ONE, rh0=0.1), TypeError, "'rh0'; did you mean 'rho'"),
        (lambda: SAM(ONE, alpha=0.1), TypeError, "SAM has no argument 'alpha'"),
        (lambda: SAM(ONE, momentun=0.1), TypeError, "did you mean 'momentum'"),
        (lambda: SAM(ONE, Adam, momentum=0.1), TypeError, "Adam's: lr, betas"),
        (lambda: SAM(ONE, SGD(ONE)), TypeError, "give SAM the class itself, base_optimizer=SGD"),
        (lambda: SAM(ONE, "sgd"), TypeError, "base_optimizer is 'sgd'; allowed is a class"),
        (lambda: SAM(ONE, nn.Linear), TypeError, "allowed is a class derived from torch.optim"),
        (lambda: SAM(ONE, torch.optim.LBFGS), TypeError, "LBFGS calls the closure itself"),
        (lambda: SAM(ONE, GSAM), TypeError, "GSAM takes two passes itself"),
        (lambda: SAM(ONE, torch.optim.Adadelta), ValueError, "Adadelta has a hyperparameter 'rho'"),
        (
            lambda: GSAM(ONE, torch.optim.RMSprop),
            ValueError,
            "RMSprop has a hyperparameter 'alpha'",
        ),
        (lambda: SAM(ONE, maximize=True), ValueError, "maximize=True: negate the loss"),
        (lambda: SAM(ONE, differentiable=True), ValueError, "differentiable=True"),
        (
            lambda: SAM([torch.ones(2, dtype=torch.complex64, requires_grad=True)]),
            TypeError,
            "torch.complex64; give it torch.view_as_real",
        ),
        (lambda: SAM([]), ValueError, "empty parameter list"),
        (
            lambda: TwoPass(ONE, rule="sgd", hyperparameters={}),
            ValueError,
            "takes one pass; TwoPass needs one that takes two",
        ),
        (
            lambda: TwoPass(ONE, rule="asam", hyperparameters={"rho": 1.0}),
            ValueError,
            "hyperparameters lacks gamma: the rule asam has rho, gamma",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert says in str(caught.value)


def test_an_alpha_of_the_base_optimizer_is_let_through() -> None:
    """SAM has none, so RMSprop's own alpha means RMSprop's."""
    assert SAM(ONE, torch.optim.RMSprop, alpha=0.9).param_groups[0]["alpha"] == 0.9


def test_a_refused_group_is_not_added() -> None:
    optimizer = AdaptiveGSAM(mlp().parameters())
    with pytest.raises(ValueError, match="rho of AdaptiveGSAM is -1"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))], "rho": -1})
    assert len(optimizer.param_groups) == 1
