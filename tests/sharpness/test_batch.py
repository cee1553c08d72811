"""The loss of a module as a function of its weights."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector

from agsam_tune.sharpness import largest_eigenvalue, module_loss
from agsam_tune.sharpness.hessian import gradient, hessian_product, value
from tests.sharpness.problems import KINDS, Problem, generator, network, paper_cnn, weights


class Tied(nn.Module):
    """Two layers with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


def _loss(problem: Problem, chunk: int | None = None):
    return module_loss(problem.module, problem.x, problem.y, problem.loss, chunk=chunk)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_modules_own_loss(kind: str) -> None:
    problem = network(kind, steps=5)
    loss, w_P = _loss(problem)
    module = problem.module.to(torch.float64)
    assert torch.equal(w_P, parameters_to_vector(module.parameters()))
    assert w_P.dtype == torch.float64
    own = problem.loss(module(problem.x.to(torch.float64)), problem.y)
    assert value(loss, w_P) == pytest.approx(float(own.detach()), rel=1e-14)
    own.backward()
    g_P = torch.cat([parameter.grad.flatten() for parameter in module.parameters()])
    torch.testing.assert_close(gradient(loss, w_P), g_P, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("kind", "chunk"), [*(("binary", n) for n in (1, 39, 40, 500)), ("normed", 7)]
)
def test_chunks_make_no_difference(kind: str, chunk: int) -> None:
    problem = network(kind, steps=5)
    (whole, w_P), (split, _) = _loss(problem, chunk=1000), _loss(problem, chunk=chunk)
    v_P = weights(len(w_P))
    assert len(whole.parts) == 1
    assert len(split.parts) == -(-len(problem.x) // chunk)
    assert value(split, w_P) == pytest.approx(value(whole, w_P), rel=1e-12)
    for of in (gradient, lambda loss, w_P: hessian_product(loss, w_P)(v_P)):
        expected_P = of(whole, w_P)
        difference_P = of(split, w_P) - expected_P
        assert torch.linalg.vector_norm(difference_P) <= 1e-12 * torch.linalg.vector_norm(
            expected_P
        )
    one, other = (
        largest_eigenvalue(loss, w_P, generator=generator()).value for loss in (whole, split)
    )
    assert other == pytest.approx(one, rel=1e-12)


def test_large_networks_are_split_by_default_and_small_ones_are_not() -> None:
    small, _ = _loss(network("relu"))
    assert len(small.parts) == 1
    x, y = torch.zeros(200, 1, 28, 28), torch.zeros(200, dtype=torch.int64)
    large, w_P = module_loss(paper_cnn(), x, y, functional.cross_entropy)
    assert len(w_P) == 225_034
    assert 4 <= len(large.parts) <= 20


def test_one_example_is_a_batch() -> None:
    problem = network("relu")
    loss, w_P = module_loss(problem.module, problem.x[:1], problem.y[:1], problem.loss)
    assert value(loss, w_P) > 0


def test_the_module_stays_as_it_is() -> None:
    module = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 2))
    module[0].weight.requires_grad_(False)
    module(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    x, y = torch.ones(4, 3), torch.tensor([0, 1, 1, 0])
    loss, w_P = module_loss(module, x, y, functional.cross_entropy)
    hessian_product(loss, w_P)(weights(len(w_P)))
    gradient(loss, w_P)
    assert module.training
    assert [p.requires_grad for p in module.parameters()] == [False] + [True] * 5
    assert all(parameter.grad is None for parameter in module.parameters())
    for name, tensor in module.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])
    # Running statistics and no dropout, as in eval mode; the frozen weights do not count.
    assert len(w_P) == sum(parameter.numel() for parameter in module.parameters()) - 15
    own = functional.cross_entropy(module.to(torch.float64).eval()(x.to(torch.float64)), y)
    assert value(loss, w_P) == pytest.approx(float(own.detach()), rel=1e-14)


def test_a_later_change_of_module_or_batch_has_no_effect() -> None:
    problem = network("binary")
    loss, w_P = _loss(problem)
    before = value(loss, w_P)
    problem.x.zero_()
    problem.y.zero_()
    for parameter in problem.module.parameters():
        nn.init.zeros_(parameter)
    assert value(loss, w_P) == before


def test_shared_parameters_count_once() -> None:
    module = Tied()
    x = torch.ones(2, 3)
    loss, w_P = module_loss(module, x, x, functional.mse_loss)
    assert len(w_P) == 9 + 3 + 3
    module.to(torch.float64)
    x = x.to(torch.float64)
    functional.mse_loss(module(x), x).backward()
    g_P = torch.cat([parameter.grad.flatten() for parameter in module.parameters()])
    torch.testing.assert_close(gradient(loss, w_P), g_P)


@pytest.mark.parametrize(
    ("module", "examples", "labels", "chunk", "message"),
    [
        (nn.ReLU(), 2, 2, None, "ReLU has no parameters to train; allowed: one or more"),
        (nn.Linear(3, 1), 2, 3, None, "found 2 examples and 3 labels"),
        (nn.Linear(3, 1), 0, 0, None, "found 0 examples and 0 labels"),
        (nn.Linear(3, 1), 2, 2, 0, "found chunk = 0, allowed: 1 or more examples"),
    ],
)
def test_wrong_use_is_refused(
    module: nn.Module, examples: int, labels: int, chunk: int | None, message: str
) -> None:
    x, y = torch.zeros(examples, 3), torch.zeros(labels, 1)
    with pytest.raises(ValueError, match=message):
        module_loss(module, x, y, functional.mse_loss, chunk=chunk)


@pytest.mark.parametrize(
    "loss_of_logits",
    [
        lambda z, y: functional.cross_entropy(z, y, reduction="sum"),
        lambda z, y: functional.cross_entropy(z, y, weight=torch.tensor([1.0, 3.0]).double()),
        lambda z, y: functional.cross_entropy(z, y, ignore_index=1),
    ],
    ids=["sum", "class weights", "ignored labels"],
)
def test_a_loss_that_is_no_mean_is_refused_in_parts(loss_of_logits: Callable[..., Tensor]) -> None:
    module = nn.Linear(3, 2)
    x_ND, y_N = torch.randn(7, 3), torch.tensor([0, 1, 1, 1, 0, 1, 0])
    loss, w_P = module_loss(module, x_ND, y_N, loss_of_logits, chunk=7)
    own = loss_of_logits(module.double()(x_ND.double()), y_N)
    torch.testing.assert_close(loss(w_P), own.detach())
    with pytest.raises(ValueError, match="a plain mean"):
        module_loss(module, x_ND, y_N, loss_of_logits, chunk=3)
