"""Modules that are a chain of layers: convolutions, then dense layers, with ReLU between.

In: a module. Out: its layers, or None for any other module. Must not import Ray, Optuna or
the study file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Size, Tensor, nn

from agsam_tune.tasks.task import Mlp


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A square convolution with bias in steps of one, with ReLU, and 2×2 pooling if asked.

    Attributes:
        channels: of its input.
        height: of its input.
        width: of its input.
        filters: channels of its output.
        kernel: length of the kernel's sides.
        padding: rows and columns of zeros at each side.
        pooled: whether the largest of every 2×2 numbers is kept.
    """

    channels: int
    height: int
    width: int
    filters: int
    kernel: int
    padding: int
    pooled: bool

    @property
    def seen(self) -> tuple[int, int]:
        """Height and width before pooling."""
        lost = 2 * self.padding - self.kernel + 1
        return self.height + lost, self.width + lost

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its output."""
        share = 2 if self.pooled else 1
        height, width = self.seen
        return self.filters, height // share, width // share


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """A dense layer with bias; with ReLU, but for a chain's last one."""

    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Convolutions, then dense layers. ReLU follows each layer but the last."""

    convolutions: tuple[Convolution, ...]
    dense: tuple[Dense, ...]

    @property
    def widths(self) -> tuple[int, ...] | None:
        """Those of the perceptron that the chain is, or None with convolutions."""
        if self.convolutions:
            return None
        return (self.dense[0].inputs, *(layer.outputs for layer in self.dense))

    @property
    def largest_layer(self) -> int:
        """Weights of the layer that has most."""
        sizes = [layer.inputs * layer.outputs for layer in self.dense]
        sizes += [c.channels * c.filters * c.kernel**2 for c in self.convolutions]
        return max(sizes)


def perceptron_chain(model: Mlp) -> Chain:
    """The chain of a perceptron."""
    dense = tuple(Dense(inputs=i, outputs=o) for i, o in model.layers)
    return Chain(convolutions=(), dense=dense)


def chain(module: nn.Module, example: Tensor) -> Chain | None:
    """The chain that a module is for such examples (B, …), or None."""
    layers = list(_flattened(module))
    if any(_has_hooks(layer) for layer in layers):
        return None
    parameters = sum(len(list(layer.parameters(recurse=False))) for layer in layers)
    # No layer twice, and none frozen.
    if len([p for p in module.parameters() if p.requires_grad]) != parameters:
        return None
    convolutions: list[Convolution] = []
    shape = example.shape[1:]
    while layers and type(layers[0]) is nn.Conv2d and len(shape) == 3:
        found = _convolution(layers.pop(0), shape, layers)
        if found is None:
            return None
        convolutions.append(found)
        shape = Size(found.shape)
    if layers and type(layers[0]) is nn.Flatten:
        if (layers[0].start_dim, layers[0].end_dim) != (1, -1):
            return None
        layers, shape = layers[1:], Size([math.prod(shape)])
    dense = _dense(layers) if len(shape) == 1 else None
    if dense is None:
        return None
    return Chain(convolutions=tuple(convolutions), dense=dense)


def _convolution(layer: nn.Module, shape: Size, layers: list[nn.Module]) -> Convolution | None:
    """The convolution with the ReLU and the pooling that follow, taken off `layers`."""
    if not isinstance(layer, nn.Conv2d) or layer.bias is None or min(shape) == 0:
        return None
    kernel, padding = layer.kernel_size, layer.padding
    plain = (layer.stride, layer.dilation, layer.groups) == ((1, 1), (1, 1), 1)
    if not plain or isinstance(padding, str) or layer.padding_mode != "zeros":
        return None
    if kernel[0] != kernel[1] or padding[0] != padding[1]:
        return None
    kinds: list[type[nn.Module]] = []
    while len(kinds) < 2 and layers and type(layers[0]) in {nn.ReLU, nn.MaxPool2d} - set(kinds):
        kinds.append(type(layers[0]))
        if isinstance(layers[0], nn.MaxPool2d) and not _halves(layers[0]):
            return None
        layers.pop(0)
    if nn.ReLU not in kinds:
        return None
    found = Convolution(
        channels=shape[0], height=shape[1], width=shape[2], filters=layer.out_channels,
        kernel=kernel[0], padding=padding[0], pooled=nn.MaxPool2d in kinds,
    )  # fmt: skip
    return found if layer.in_channels == shape[0] and min(found.shape) > 0 else None


def _halves(pool: nn.MaxPool2d) -> bool:
    """Whether a pooling keeps the largest of every 2×2 numbers."""
    pairs = [
        tuple(value) if isinstance(value, tuple) else (value, value)
        for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    ]
    plain = not pool.ceil_mode and not pool.return_indices
    return plain and pairs == [(2, 2), (2, 2), (0, 0), (1, 1)]


def _dense(layers: list[nn.Module]) -> tuple[Dense, ...] | None:
    """Dense layers with ReLU between them, and nothing else."""
    linear, relus = layers[0::2], layers[1::2]
    found = [layer for layer in linear if type(layer) is nn.Linear and layer.bias is not None]
    if not found or len(found) < len(linear) or len(relus) != len(linear) - 1:
        return None
    if not all(type(relu) is nn.ReLU for relu in relus):
        return None
    return tuple(Dense(inputs=layer.in_features, outputs=layer.out_features) for layer in found)


def _flattened(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of nested nn.Sequentials in order; any other module as it is."""
    if type(module) is nn.Sequential and not _has_hooks(module):
        for child in module:
            yield from _flattened(child)
    else:
        yield module


def _has_hooks(module: nn.Module) -> bool:
    hooks = (
        *(module._forward_hooks, module._forward_pre_hooks),
        *(module._backward_hooks, module._backward_pre_hooks),
    )
    return any(hooks)
