"""Loss and gradient of the rows against autograd on one model at a time."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from agsam_tune.engine.mlp import MlpRows
from agsam_tune.tasks.task import Mlp

ROWS, BATCH = 3, 12


def _one_model(model: Mlp, row_P: torch.Tensor, x_BD: torch.Tensor) -> torch.Tensor:
    h = x_BD
    for number in range(len(model.layers)):
        weights, bias = MlpRows(model).layer(row_P[None], number)
        h = h @ weights[0] + bias[0]
        h = torch.relu(h) if number < len(model.layers) - 1 else h
    return h


@pytest.mark.parametrize(
    "widths", [(2, 32, 32, 32, 1), (5, 7, 1), (5, 13, 9, 4), (3, 2), (3, 1), (3, 1, 4)]
)
def test_loss_and_gradient_are_those_of_autograd(widths: tuple[int, ...]) -> None:
    model = Mlp(widths=widths)
    rows = MlpRows(model)
    rng = np.random.default_rng(1)
    w_KP = torch.tensor(np.stack([rows.initial(rng) for _ in range(ROWS)]))
    for number in range(len(model.layers)):
        for part in rows.layer(w_KP, number):
            part += torch.tensor(rng.normal(size=part.shape)) * 0.1
    x_KBD = torch.tensor(rng.normal(size=(ROWS, BATCH, widths[0])))
    y_KB = torch.tensor(rng.integers(max(widths[-1], 2), size=(ROWS, BATCH)))
    loss_K, g_KP = rows.loss_and_gradient(w_KP, x_KBD, y_KB, torch.zeros_like(w_KP))
    for k in range(ROWS):
        row = w_KP[k].clone().requires_grad_()
        z_BC = _one_model(model, row, x_KBD[k])
        if widths[-1] == 1:
            target = y_KB[k].double()
            loss = functional.binary_cross_entropy_with_logits(z_BC[:, 0], target)
        else:
            loss = functional.cross_entropy(z_BC, y_KB[k])
        loss.backward()
        torch.testing.assert_close(loss_K[k], loss.detach(), rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(g_KP[k], row.grad, rtol=1e-12, atol=1e-14)


def test_initial_weights_are_glorot_uniform_and_biases_zero() -> None:
    model = Mlp(widths=(2, 32, 32, 32, 1))
    rows = MlpRows(model)
    assert rows.parameters == model.parameters == 2241
    sample = np.stack([rows.initial(np.random.default_rng(i)) for i in range(200)])
    for number, (inputs, outputs) in enumerate(model.layers):
        limit = np.sqrt(6 / (inputs + outputs))
        weights, bias = (part.numpy() for part in rows.layer(torch.tensor(sample), number))
        assert np.abs(weights).max() <= limit
        np.testing.assert_allclose(weights.std(), limit / np.sqrt(3), rtol=0.02)
        assert not bias.any()
    assert np.count_nonzero(sample[0]) == 2 * 32 + 2 * 32 * 32 + 32


def test_padding_keeps_zero_gradients() -> None:
    rows = MlpRows(Mlp(widths=(2, 5, 1)))
    w_KP = torch.tensor(rows.initial(np.random.default_rng(0)))[None]
    g_KP = torch.zeros_like(w_KP)
    rows.loss_and_gradient(w_KP, torch.ones(1, 4, 2).double(), torch.ones(1, 4).long(), g_KP)
    assert g_KP.any()
    for number in range(2):
        for part in rows.layer(g_KP, number):
            part.zero_()
    assert not g_KP.any()
