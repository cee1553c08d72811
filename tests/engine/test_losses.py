"""Losses and slopes against PyTorch's own and autograd."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from agsam_tune.engine.losses import Loss, correct

ROWS, BATCH = 3, 7


def _problem(classes: int, scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    z_KBC = torch.tensor(rng.normal(size=(ROWS, BATCH, classes)) * scale)
    return z_KBC, torch.tensor(rng.integers(max(classes, 2), size=(ROWS, BATCH)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("classes", [1, 2, 5])
def test_cross_entropy_is_that_of_pytorch(classes: int, smoothing: float) -> None:
    z_KBC, y_KB = _problem(classes)
    found_K, slope_KBC = Loss(smoothing=smoothing).value_and_slope(z_KBC, y_KB)
    for k in range(ROWS):
        z_BC = z_KBC[k].clone().requires_grad_()
        if classes == 1:
            target = y_KB[k].double() * (1 - smoothing) + smoothing / 2
            loss = functional.binary_cross_entropy_with_logits(z_BC[:, 0], target)
        else:
            loss = functional.cross_entropy(z_BC, y_KB[k], label_smoothing=smoothing)
        loss.backward()
        torch.testing.assert_close(found_K[k], loss.detach(), rtol=1e-13, atol=0)
        torch.testing.assert_close(slope_KBC[k], z_BC.grad, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_hot_binary_is_a_sigmoid_of_each_logit(scale: float, smoothing: float) -> None:
    z_KBC, y_KB = _problem(4, scale)
    loss = Loss(kind="one_hot_binary", smoothing=smoothing)
    found_K, slope_KBC = loss.value_and_slope(z_KBC, y_KB)
    z = z_KBC.clone().requires_grad_()
    target = functional.one_hot(y_KB, 4).double() * (1 - smoothing) + smoothing / 4
    loss_K = -(target * functional.logsigmoid(z) + (1 - target) * functional.logsigmoid(-z))
    loss_K.mean((1, 2)).sum().backward()
    torch.testing.assert_close(found_K, loss_K.detach().mean((1, 2)), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(slope_KBC, z.grad, rtol=1e-9, atol=1e-14)


def test_one_hot_binary_of_a_softmax_is_what_keras_makes_of_it() -> None:
    """Keras 3.15 gives 0.6304882 for these logits, whose softmax it is handed as probabilities;
    the binary cross-entropy of the probabilities themselves would be 0.5717934."""
    z_KBC = torch.tensor([[[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]]], dtype=torch.float64)
    found_K, _ = Loss(kind="one_hot_binary").value_and_slope(z_KBC, torch.tensor([[2, 1]]))
    torch.testing.assert_close(
        found_K, torch.tensor([0.6304882168], dtype=torch.float64), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("kind", ["cross_entropy", "one_hot_binary"])
@pytest.mark.parametrize("classes", [1, 5])
def test_reported_losses_are_not_smoothed(kind: str, classes: int) -> None:
    z_KBC, y_KB = _problem(classes)
    plain_K, _ = Loss(kind=kind).value_and_slope(z_KBC, y_KB)
    each_KB = Loss(kind=kind, smoothing=0.3).each(z_KBC, y_KB)
    torch.testing.assert_close(each_KB.mean(1), plain_K, rtol=1e-12, atol=0)


def test_right_answers_are_counted() -> None:
    z_KBC = torch.tensor([[[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]]])
    assert correct(z_KBC, torch.tensor([[1, 1, 1]])).tolist() == [2]
    assert correct(z_KBC[:, :, :1], torch.tensor([[0, 1, 1]])).tolist() == [2]
