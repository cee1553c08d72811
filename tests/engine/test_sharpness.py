"""What is measured of the final weights, and of the gradients on the way."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from agsam_tune.engine import train_pack
from agsam_tune.engine.evaluation import mean_loss
from agsam_tune.engine.losses import Loss
from agsam_tune.engine.mlp import MlpRows
from agsam_tune.engine.sharpness import rows_of
from agsam_tune.models import perceptron
from agsam_tune.sharpness import exact_eigenvalues, module_loss
from agsam_tune.study import Sharpness, Training
from agsam_tune.tasks.task import Mlp, Task
from agsam_tune.trials import Outcome
from tests.engine.problems import RECIPE, a_pack, blobs, same_bits
from tests.engine.test_networks import images

pytestmark = pytest.mark.usefixtures("machine_code")
WANTED = Sharpness(examples=60, rho=0.02)


def _train(task: Task, optimizer: str, rows: int, **more: object) -> tuple[Outcome, ...]:
    pack = a_pack(optimizer, rows)
    return train_pack(pack, task, RECIPE, study_seed=1, sharpness=WANTED, **more)  # type: ignore[arg-type]


def test_a_row_is_the_module_that_it_stands_for() -> None:
    model = Mlp(widths=(5, 4, 3))
    rows, module = MlpRows(model), perceptron(model.widths)
    w_KP = torch.tensor(rows.initial(np.random.default_rng(0)), dtype=torch.float32)[None]
    torch.nn.utils.vector_to_parameters(next(rows_of(rows, w_KP)), module.parameters())
    x_BD = torch.randn(7, 5)
    torch.testing.assert_close(module(x_BD), rows.logits(w_KP, x_BD)[0])


def test_the_largest_eigenvalue_is_that_of_the_dense_hessian() -> None:
    task = blobs(widths=(5, 6, 3))
    found = _train(task, "gsam", 3, way="rows")
    stacked = _train(task, "gsam", 3, way="stacked")
    for a, b in zip(found, stacked, strict=True):
        np.testing.assert_allclose(a.sharpness["sigma_max"], b.sharpness["sigma_max"], rtol=1e-2)
    # The same weights again, by hand.
    weights: list[torch.Tensor] = []

    def keep(model: MlpRows, w_KP: torch.Tensor) -> list[torch.Tensor]:
        weights.extend(rows_of(model, w_KP))
        return weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agsam_tune.engine.training.rows_of", keep)
        stacked = _train(task, "gsam", 3, way="stacked")
    loss, _ = module_loss(
        perceptron((5, 6, 3)),
        torch.as_tensor(task.train.x[:60]),
        torch.as_tensor(task.train.y[:60]),
        lambda z, y: Loss().each(z[None], y[None]).mean(),
    )
    for w_P, outcome in zip(weights, stacked, strict=True):
        exact = float(exact_eigenvalues(loss, w_P.double())[-1])
        np.testing.assert_allclose(outcome.sharpness["sigma_max"], exact, rtol=1e-2)
        assert outcome.sharpness["sigma_residual"] <= 1e-3


@pytest.mark.parametrize("task", [blobs(), images()], ids=["perceptron", "convolution"])
def test_measuring_changes_nothing_and_does_not_depend_on_the_pack(task: Task) -> None:
    plain = train_pack(a_pack("adaptive_gsam", 3), task, RECIPE, study_seed=1)
    measured = _train(task, "adaptive_gsam", 3)
    for a, b, alone in zip(plain, measured, _train(task, "adaptive_gsam", 1), strict=False):
        assert a.curve == b.curve
        assert not a.sharpness
        assert all(math.isfinite(value) for value in b.sharpness.values())
        assert same_bits(b, alone)


def test_gradients_of_one_pass_have_a_norm_and_no_cosine() -> None:
    one_pass = _train(blobs(), "sgd", 2)[0].sharpness
    assert one_pass["gradient_norm"] > 0
    assert math.isnan(one_pass["gradient_cosine"])
    two = _train(blobs(), "sam", 1)[0].sharpness
    assert 0 < two["gradient_cosine"] <= 1


def test_a_diverged_row_has_no_sharpness() -> None:
    wild = Training(epochs=1, batch_size=32, lr=1e30)
    outcome = train_pack(a_pack("sgd", 1), blobs(), wild, study_seed=1, sharpness=WANTED)[0]
    assert outcome.diverged
    assert math.isnan(outcome.sharpness["sigma_max"])


def test_a_row_whose_final_loss_alone_is_infinite_has_no_sharpness_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def infinite(*arguments: object) -> torch.Tensor:
        loss_K = mean_loss(*arguments)  # type: ignore[arg-type]
        loss_K[1] = math.inf
        return loss_K

    monkeypatch.setattr("agsam_tune.engine.training.mean_loss", infinite)
    whole, lost = (outcome for outcome in _train(blobs(), "gsam", 2))
    assert (whole.diverged, lost.diverged) == (False, True)
    assert math.isfinite(whole.sharpness["sigma_max"])
    assert math.isnan(lost.sharpness["sigma_max"])
    assert lost.sharpness["gradient_norm"] > 0


def test_attention_has_a_largest_eigenvalue() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.out = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.out(self.layer(x).mean(1))
            return logits

    task = images(Attention, shape=(6, 8), classes=3)
    measured = _train(task, "gsam", 1, way="rows")[0].sharpness
    assert measured["sigma_max"] > 0
    assert measured["sigma_residual"] <= 1e-3
