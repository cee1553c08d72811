"""JAX as a contender: `vmap` over the models, compiled, as fast as JAX makes each problem.

In: a problem, and how many models at once. Out: see `contenders`. Must not import Ray or
Optuna; JAX is imported here alone.

A perceptron's epoch is one compiled `lax.scan` over its batches. On a CPU, XLA computes
convolutions inside of a loop four to ten times slower than outside, so with them it is a step
that is compiled, and called for each batch. Images lie channels last, and the greatest of two
by two pixels is found by a reshape: `reduce_window` is several times slower backwards.

Shapes: K models, N training examples, S batches of an epoch, B examples of a batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from torch import nn

from agsam_tune.bench.problems import ALPHA, RHO, Problem

Weights = list[Any]
State = tuple[Weights, Weights]
_IMAGES = ("NHWC", "HWIO", "NHWC")


def epochs(given: Problem, rows: int) -> Iterator[tuple[int, list[float]]]:
    """Endless epochs; the first one compiles."""
    module = given.module
    if not isinstance(module, nn.Sequential):
        raise TypeError("only layers one after another are known here")
    layers = list(module)
    step = _step(layers, given)
    convolves = any(isinstance(layer, nn.Conv2d) for layer in layers)
    train = _loop(step, rows) if convolves else _scan(step)
    x_N = jnp.asarray(_channels_last(given.task.train.inputs()))
    y_N = jnp.asarray(given.task.train.y)
    weights = [
        jnp.asarray(np.stack([_kernel(array) for array in arrays]), dtype=jnp.float32)
        for arrays in zip(*(given.weights(seed) for seed in range(rows)), strict=True)
    ]
    if convolves and rows == 1:
        weights = [w[0] for w in weights]
    state = weights, [jnp.zeros_like(w) for w in weights]
    for epoch in itertools.count():
        order_SKB = np.stack([given.batches(seed, epoch) for seed in range(rows)], axis=1)
        state, losses_SK = train(state, x_N, y_N, jnp.asarray(order_SKB))
        losses_K = np.asarray(losses_SK).reshape(len(order_SKB), rows).mean(0)
        yield len(order_SKB) * rows, [float(loss) for loss in losses_K]


def _scan(step: Callable[..., Any]) -> Callable[..., Any]:
    """An epoch as one compiled loop."""

    @jax.jit
    def epoch(state: State, x_N: Any, y_N: Any, order_SKB: Any) -> Any:
        def body(state: State, index_KB: Any) -> Any:
            return jax.vmap(step)(state, x_N[index_KB], y_N[index_KB])

        return lax.scan(body, state, order_SKB)

    return epoch


def _loop(step: Callable[..., Any], rows: int) -> Callable[..., Any]:
    """An epoch as calls of a compiled step; a model alone needs no `vmap`, which costs time."""

    @jax.jit
    def one(state: State, x_N: Any, y_N: Any, index_KB: Any) -> Any:
        if rows == 1:
            return step(state, x_N[index_KB[0]], y_N[index_KB[0]])
        return jax.vmap(step)(state, x_N[index_KB], y_N[index_KB])

    def epoch(state: State, x_N: Any, y_N: Any, order_SKB: Any) -> Any:
        losses = []
        for index_KB in order_SKB:
            state, f_K = one(state, x_N, y_N, index_KB)
            losses.append(f_K)
        return state, np.stack(losses)

    return epoch


def _step(layers: list[nn.Module], given: Problem) -> Callable[..., Any]:
    training = given.training

    def loss(weights: Weights, x_B: Any, y_B: Any) -> Any:
        z_BC = _outputs(layers, weights, x_B)
        if z_BC.shape[1] == 1:
            z_B = z_BC[:, 0]
            return (jax.nn.softplus(z_B) - z_B * y_B).mean()
        return -jnp.take_along_axis(jax.nn.log_softmax(z_BC), y_B[:, None], 1).mean()

    def step(state: State, x_B: Any, y_B: Any) -> Any:
        weights, velocity = state
        f, g = jax.value_and_grad(loss)(weights, x_B, y_B)
        scale = RHO / jnp.sqrt(_dot(g, g))
        gp = jax.grad(loss)([w + scale * a for w, a in zip(weights, g, strict=True)], x_B, y_B)
        share = _dot(g, gp) / _dot(gp, gp)
        pairs = zip(velocity, g, gp, strict=True)
        velocity = [training.momentum * v + b - ALPHA * (a - share * b) for v, a, b in pairs]
        weights = [w - training.lr * v for w, v in zip(weights, velocity, strict=True)]
        return (weights, velocity), f

    return step


def _outputs(layers: list[nn.Module], weights: Weights, x: Any) -> Any:
    left = iter(weights)
    for layer in layers:
        if isinstance(layer, nn.Linear):
            x = x @ next(left).T + next(left)
        elif isinstance(layer, nn.Conv2d):
            padding = [(int(size), int(size)) for size in layer.padding]
            kernel, bias = next(left), next(left)
            x = lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=_IMAGES)
            x = x + bias
        elif isinstance(layer, nn.MaxPool2d):
            x = _pooled(x)
        elif isinstance(layer, nn.ReLU):
            x = jax.nn.relu(x)
        elif isinstance(layer, nn.Flatten):
            # The weights that follow are in the order of PyTorch's images, channels first.
            x = jnp.moveaxis(x, 3, 1) if x.ndim == 4 else x
            x = x.reshape(len(x), -1)
        else:
            msg = f"{type(layer).__name__} is not known here"
            raise TypeError(msg)
    return x


def _pooled(x: Any) -> Any:
    """The greatest of every two by two pixels."""
    examples, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(examples, height // 2, 2, width // 2, 2, channels).max((2, 4))


def _channels_last(x: Any) -> Any:
    return np.moveaxis(x, 1, 3) if x.ndim == 4 else x


def _kernel(weight: Any) -> Any:
    """A convolution's weights in JAX's order of axes, all others as they are."""
    return weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight


def _dot(a: Weights, b: Weights) -> Any:
    return sum(jnp.vdot(x, y) for x, y in zip(a, b, strict=True))
