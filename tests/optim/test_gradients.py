"""Gradients that are missing, zero, not finite, sparse; weights of several types; misuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from agsam_tune.optim import ASAM, GSAM, SAM, AdaptiveGSAM, TwoPass
from agsam_tune.optimizers import RULES

from .problems import CLASSES, RULE_OF, batches, closure_for, mlp, train, values_of, vector

EVERY_CLASS = pytest.mark.parametrize("kind", CLASSES)
NAN, INF = float("nan"), float("inf")


def _parameters(*sizes: int) -> list[nn.Parameter]:
    return [nn.Parameter(torch.linspace(-1, 2, size)) for size in sizes]


def _set(parameters: list[nn.Parameter], gradients: list[float | None]) -> None:
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = None if g is None else torch.full_like(p, g)


# ── missing ──────────────────────────────────────────────────────────────────────────────


@EVERY_CLASS
def test_a_parameter_without_gradients_is_left_alone(kind: type[TwoPass]) -> None:
    """Frozen, or not used: not perturbed, not in the norm, not decayed, no momentum."""
    used, unused = _parameters(3, 4)
    other = nn.Parameter(used.detach().clone())
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, **values_of(kind)}
    both, alone = kind([used, unused], **settings), kind([other], **settings)
    start = unused.detach().clone()
    for optimizer, p in ((both, used), (alone, other)):
        p.grad = torch.ones(3)
        optimizer.first_step()
        assert torch.equal(unused.detach(), start)
        p.grad = torch.arange(3.0)
        optimizer.second_step()
    assert torch.equal(used, other)
    assert torch.equal(unused.detach(), start)
    assert unused not in both.state


@EVERY_CLASS
def test_a_gradient_in_the_second_pass_only(kind: type[TwoPass]) -> None:
    """The first counts as zero: no ascent, and a direction from both."""
    a, b = _parameters(3, 4)
    optimizer = kind([a, b], lr=1.0, **values_of(kind))
    start = [a.detach().clone(), b.detach().clone()]
    _set([a, b], [1.0, None])
    optimizer.first_step()
    assert torch.equal(b.detach(), start[1])
    _set([a, b], [2.0, 3.0])
    optimizer.second_step()
    g_1P = torch.tensor([[1.0] * 3 + [0.0] * 4])
    gp_1P = torch.tensor([[2.0] * 3 + [3.0] * 4])
    columns = {name: torch.full((1, 1), value) for name, value in values_of(kind).items()}
    d_1P = RULES[RULE_OF[kind]].update_direction(g_1P, gp_1P, columns)
    assert torch.equal(torch.cat([a, b]).detach(), torch.cat(start) - d_1P[0])


@EVERY_CLASS
def test_a_gradient_in_the_first_pass_only(kind: type[TwoPass]) -> None:
    """Perturbed and put back; without a second gradient the base optimizer skips it."""
    a, b = _parameters(3, 4)
    optimizer = kind([a, b], lr=1.0, momentum=0.9, **values_of(kind))
    start = b.detach().clone()
    _set([a, b], [1.0, 1.0])
    optimizer.first_step()
    assert not torch.equal(b.detach(), start)
    _set([a, b], [2.0, None])
    optimizer.second_step()
    assert torch.equal(b.detach(), start)
    assert b not in optimizer.state
    assert b.grad is None


def test_no_gradient_in_the_first_pass_or_in_both() -> None:
    (a,) = _parameters(3)
    optimizer = GSAM([a], lr=1.0)
    start = a.detach().clone()
    optimizer.first_step()
    optimizer.second_step()
    assert torch.equal(a.detach(), start)
    optimizer.first_step()
    _set([a], [2.0])
    optimizer.second_step()
    # g = 0 leaves d = gp.
    assert torch.equal(a.detach(), start - 2.0)


def test_a_parameter_that_is_frozen_later_on() -> None:
    model = mlp()
    optimizer = AdaptiveGSAM(model.parameters(), lr=0.1, momentum=0.9)
    train(model, optimizer, batches(2))
    model[0].weight.requires_grad_(False)
    start = model[0].weight.clone()
    end = train(model, optimizer, batches(2))
    assert torch.equal(model[0].weight, start)
    assert bool(end.isfinite().all())
    model[0].weight.requires_grad_(True)
    train(model, optimizer, batches(1))
    assert not torch.equal(model[0].weight.detach(), start)


@EVERY_CLASS
def test_one_parameter_and_empty_ones(kind: type[TwoPass]) -> None:
    """A single tensor is copied as well, and tensors without entries are no trouble."""
    (a,) = _parameters(4)
    empty, scalar = nn.Parameter(torch.empty(0, 3)), nn.Parameter(torch.tensor(0.5))
    for parameters in ([a], [a, empty], [empty, a, scalar]):
        start, start_a = [p.detach().clone() for p in parameters], a.detach().clone()
        optimizer = kind(parameters, lr=0.0, **values_of(kind))
        _set(parameters, [1.0] * len(parameters))
        optimizer.first_step()
        assert not torch.equal(a.detach(), start_a)
        _set(parameters, [2.0] * len(parameters))
        optimizer.second_step()
        assert all(torch.equal(p.detach(), s) for p, s in zip(parameters, start, strict=True))


def test_parameters_without_entries_alone() -> None:
    empty = nn.Parameter(torch.empty(0, 3))
    optimizer = AdaptiveGSAM([empty])
    for take in (optimizer.first_step, optimizer.second_step):
        empty.grad = torch.empty(0, 3)
        take()
    assert empty.shape == (0, 3)


# ── zero, and not finite ─────────────────────────────────────────────────────────────────


@EVERY_CLASS
def test_a_zero_gradient_moves_nothing(kind: type[TwoPass]) -> None:
    a, b = _parameters(3, 4)
    optimizer = kind([a, b], lr=1.0, **values_of(kind))
    start = [a.detach().clone(), b.detach().clone()]
    for _ in range(2):
        _set([a, b], [0.0, 0.0])
        optimizer.first_step()
        assert torch.equal(a.detach(), start[0])
        _set([a, b], [0.0, 0.0])
        optimizer.second_step()
    assert torch.equal(a.detach(), start[0])
    assert torch.equal(b.detach(), start[1])


@EVERY_CLASS
@pytest.mark.parametrize("size", [1e-40, 1e-30, 1e30])
def test_tiny_and_huge_gradients_take_a_step_of_ordinary_length(
    kind: type[TwoPass], size: float
) -> None:
    """The squares of such entries leave the range of float32."""
    steps = []
    for factor in (1.0, size):
        (a,) = _parameters(5)
        start = a.detach().clone()
        a.grad = factor * torch.tensor([1.0, 2.0, -2.0, 4.0, 0.0])
        optimizer = kind([a], **values_of(kind))
        optimizer.first_step()
        steps.append(a.detach() - start)
    torch.testing.assert_close(steps[1], steps[0], rtol=1e-3, atol=1e-6)
    assert steps[0].norm() > 0.05


@EVERY_CLASS
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_gradient_that_is_not_finite_passes_through_as_with_any_optimizer(
    kind: type[TwoPass], bad: float
) -> None:
    """Whatever it does to the perturbed weights, they come back; what is applied is not finite."""
    a, b = _parameters(3, 4)
    optimizer = kind([a, b], lr=1.0, **values_of(kind))
    start = torch.cat([a, b]).detach().clone()
    _set([a, b], [1.0, 1.0])
    a.grad[1] = bad
    optimizer.first_step()
    optimizer.restore()
    assert torch.equal(torch.cat([a, b]).detach(), start)
    optimizer.first_step()
    _set([a, b], [1.0, 1.0])
    a.grad[1] = bad
    optimizer.second_step()
    assert not bool(a.isfinite().all())


# ── types ────────────────────────────────────────────────────────────────────────────────


def test_sparse_gradients_are_refused_and_nothing_has_moved() -> None:
    table = nn.Embedding(5, 3, sparse=True)
    optimizer = SAM(table.parameters())
    start = table.weight.detach().clone()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = table(torch.tensor([1, 2])).sum()
        loss.backward()
        return loss

    with pytest.raises(TypeError, match="SAM needs dense gradients: a parameter of shape 5×3"):
        optimizer.step(closure)
    assert torch.equal(table.weight.detach(), start)
    table.sparse = False
    optimizer.step(closure)
    assert not torch.equal(table.weight.detach(), start)


@EVERY_CLASS
def test_parameters_of_several_types_make_one_vector(kind: type[TwoPass]) -> None:
    """Computed in the widest of them; half precision alone in float32."""
    kinds = (torch.bfloat16, torch.float32, torch.float64)
    mixed = [nn.Parameter(torch.tensor([0.5, -1.0, 2.0], dtype=dtype)) for dtype in kinds]
    wide = [nn.Parameter(p.detach().clone().double()) for p in mixed]
    for parameters in (mixed, wide):
        optimizer = kind(parameters, lr=0.125, **values_of(kind))
        _set(parameters, [1.0, 2.0, 3.0])
        optimizer.first_step()
        moved = [p.detach().double().clone() for p in parameters]
        _set(parameters, [1.0, 1.5, 2.5])
        optimizer.second_step()
        assert [p.dtype for p in parameters] == [p.grad.dtype for p in parameters]
        if parameters is mixed:
            first, ends = moved, [p.detach().double().clone() for p in mixed]
    for found, expected, dtype in zip(first, moved, kinds, strict=True):
        torch.testing.assert_close(found, expected, rtol=2 * torch.finfo(dtype).eps, atol=0)
    for found, p, dtype in zip(ends, wide, kinds, strict=True):
        torch.testing.assert_close(found, p.detach(), rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_in_half_precision_come_back_to_the_bit(dtype: torch.dtype) -> None:
    a = nn.Parameter(torch.randn(1000, generator=torch.Generator().manual_seed(0)).to(dtype))
    start = a.detach().clone()
    optimizer = AdaptiveGSAM([a], lr=0.0)
    a.grad = torch.ones_like(a)
    optimizer.first_step()
    assert not torch.equal(a.detach(), start)
    optimizer.restore()
    assert torch.equal(a.detach().view(torch.int16), start.view(torch.int16))


@EVERY_CLASS
def test_half_precision_is_computed_in_single(kind: type[TwoPass]) -> None:
    """Each weight and gradient is that of float32, rounded once."""
    half, single = (
        nn.Parameter(torch.linspace(-1, 1, 301).bfloat16().to(dtype))
        for dtype in (torch.bfloat16, torch.float32)
    )
    for p in (half, single):
        optimizer = kind([p], lr=0.0, **values_of(kind))
        p.grad = torch.linspace(1, 3, 301).bfloat16().to(p.dtype)
        optimizer.first_step()
        moved = p.detach().clone()
        p.grad = torch.linspace(-2, 1, 301).bfloat16().to(p.dtype)
        optimizer.second_step()
        if p is half:
            moved_half = moved
    assert torch.equal(moved_half, moved.bfloat16())
    assert torch.equal(half.grad, single.grad.bfloat16())


@EVERY_CLASS
def test_weights_come_back_to_the_bit(kind: type[TwoPass]) -> None:
    """Adding and subtracting a step would not: many entries are far smaller than it."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(1000, generator=generator) * 10.0 ** torch.linspace(-30, 2, 1000)
    start[0] = -0.0
    a = nn.Parameter(start.clone())
    optimizer = kind([a], lr=0.0, **values_of(kind))
    a.grad = torch.randn(1000, generator=generator)
    optimizer.first_step()
    there = a.detach().clone()
    assert not torch.equal((there - (there - start)), start)
    a.grad = torch.randn(1000, generator=generator)
    optimizer.restore()
    assert torch.equal(a.detach().view(torch.int32), start.view(torch.int32))


def test_channels_last_weights_and_gradients_keep_their_layout() -> None:
    results = []
    for memory in (torch.contiguous_format, torch.channels_last):
        weight = torch.linspace(-1, 1, 2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
        a = nn.Parameter(weight.clone(memory_format=memory))
        optimizer = AdaptiveGSAM([a, *_parameters(2)], lr=0.1)
        a.grad = (weight**2).clone(memory_format=memory)
        gradient, strides = a.grad, (a.stride(), a.grad.stride())
        optimizer.first_step()
        a.grad.copy_(weight)
        optimizer.second_step()
        assert a.grad is gradient
        assert (a.stride(), a.grad.stride()) == strides
        results.append(a.detach())
    assert torch.equal(*results)


# ── order, and closures that raise ───────────────────────────────────────────────────────


def test_a_step_without_a_closure() -> None:
    with pytest.raises(RuntimeError, match=r"ASAM.step\(\) needs a closure that zeroes the grad"):
        ASAM(_parameters(2)).step()


def test_steps_out_of_order() -> None:
    (a,) = parameters = _parameters(3)
    optimizer = SAM(parameters)
    start = a.detach().clone()
    with pytest.raises(RuntimeError, match=r"second_step\(\) without first_step\(\)"):
        optimizer.second_step()
    _set(parameters, [1.0])
    optimizer.first_step()
    there = a.detach().clone()
    with pytest.raises(RuntimeError, match=r"first_step\(\) has been called already"):
        optimizer.first_step()
    with pytest.raises(RuntimeError, match="cannot take another step between"):
        optimizer.step(lambda: None)
    assert torch.equal(a.detach(), there)
    optimizer.restore()
    assert torch.equal(a.detach(), start)
    with pytest.raises(RuntimeError, match=r"second_step\(\) without first_step\(\)"):
        optimizer.second_step()
    optimizer.restore()
    assert torch.equal(a.detach(), start)


@EVERY_CLASS
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_closure_that_raises_leaves_the_weights_as_they_were(
    kind: type[TwoPass], error: type[BaseException], fails_at: int
) -> None:
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.1, momentum=0.9)
    start = vector(model)
    good = closure_for(model, optimizer, batches(1)[0])
    calls = []

    def bad() -> Tensor:
        calls.append(vector(model))
        if len(calls) == fails_at:
            raise error
        return good()

    with pytest.raises(error):
        optimizer.step(bad)
    assert torch.equal(vector(model), start)
    assert optimizer.state == {}
    if fails_at == 2:
        assert not torch.equal(calls[1], start)
    # And it can go on, as if nothing had been.
    other = mlp()
    optimizer.step(good)
    assert torch.equal(
        vector(model), train(other, kind(other.parameters(), lr=0.1, momentum=0.9), batches(1))
    )


@pytest.mark.parametrize(
    "returned", [lambda loss: loss, lambda loss: loss.item(), lambda loss: (loss, "more")]
)
def test_the_closure_is_called_twice_and_its_first_result_is_returned(
    returned: Callable[[Tensor], object],
) -> None:
    model = mlp()
    optimizer = AdaptiveGSAM(model.parameters())
    good = closure_for(model, optimizer, batches(1)[0])
    results, enabled = [], []

    def closure() -> object:
        enabled.append(torch.is_grad_enabled())
        results.append(returned(good()))
        return results[-1]

    with torch.no_grad():
        assert optimizer.step(closure) is results[0]
        assert not torch.is_grad_enabled()
    assert enabled == [True, True]


def test_manual_steps_are_step_with_a_closure() -> None:
    ours, theirs = mlp(), mlp()
    manual = AdaptiveGSAM(ours.parameters(), lr=0.1)
    for batch in batches(3):
        closure = closure_for(ours, manual, batch)
        closure()
        manual.first_step(zero_grad=True)
        assert all(p.grad is None for p in ours.parameters())
        closure()
        manual.second_step(zero_grad=True)
        assert all(p.grad is None for p in ours.parameters())
    end = train(theirs, AdaptiveGSAM(theirs.parameters(), lr=0.1), batches(3))
    assert torch.equal(vector(ours), end)
