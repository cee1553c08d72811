"""Where everything lies: a chain's weights in a row, and what its passes write to.

In: a chain of layers, a batch size. Out: tables for the compiled loops. Must not import
PyTorch, Ray or Optuna.

Channels come last everywhere and are padded with zeros to whole tiles, but for those of the
examples and a last layer of one output. An image lies with its border of zeros, as the
convolution that reads it wants it. A convolution's weights are at [y, x, channel, filter], a
dense layer's at [input, output]; biases follow.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agsam_tune.engine.chain import Chain, Convolution
from agsam_tune.engine.compiled.tile import padded
from agsam_tune.engine.layout import padded_to_lanes

_Array = npt.NDArray[Any]

# Of a dense layer: its inputs and outputs as they lie, its outputs that count, where its
# weights and bias begin in a row, and its outputs in the scratch.
_DENSE = np.dtype(
    [(name, np.int64) for name in ("inputs", "stride", "outputs", "weights", "bias", "out")]
)
# Of a convolution. Channels of its input and output as they lie, and those that count; numbers
# of a kernel, `terms`, and of the places that it is laid to, `pixels`; sizes in the scratch are
# of one example.
_CONVOLUTION = np.dtype(
    [
        (name, np.int64)
        for name in (
            *("channels", "read", "height", "width", "padding"),
            *("filters", "written", "seen_height", "seen_width", "pooled", "taps", "terms"),
            # In a row: weights and bias.
            *("weights", "bias"),
            # In the table of places: where each pixel's patch begins in the image, and where a
            # patch's numbers are from there; multiples of `written`; taps; 0, 1, 2, …
            *("pixels", "pixel_at", "term_at", "out_at", "tap_at", "one_at"),
            # In the scratch: the image; where the output's first number goes, how far a row of
            # it is from the next, and an example from the next; which number pooling kept.
            *("image", "image_size", "next", "next_row", "next_size", "marks", "marks_size"),
            # Sums before pooling, slopes there, slopes of the image, transposed weights.
            *("sums", "slopes", "image_slopes", "turned"),
            # Slopes of the output: as for the output itself.
            *("next_slopes", "next_slopes_size"),
        )
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A layer's weights in a row.

    Attributes:
        shape: as they lie: [y, x, channel, filter], or [y, x, channel, output].
        count: how many channels and outputs count.
        weights: where they begin.
        bias: where the bias begins.
    """

    shape: tuple[int, int, int, int]
    count: tuple[int, int]
    weights: int
    bias: int

    @property
    def stop(self) -> int:
        return self.bias + padded_to_lanes(self.shape[3])


def blocks(chain: Chain) -> tuple[Block, ...]:
    """The blocks of a row, one a layer."""
    shapes = [
        ((c.kernel, c.kernel, _read(chain, n), padded(c.filters)), (c.channels, c.filters))
        for n, c in enumerate(chain.convolutions)
    ]
    for number, layer in enumerate(chain.dense):
        below: tuple[int, int, int] = (1, 1, layer.inputs)
        channels = layer.inputs
        if number == 0 and chain.convolutions:
            channels, *sides = chain.convolutions[-1].shape
            below = (sides[0], sides[1], padded(channels))
        shapes.append(((*below, _stride(chain, number)), (channels, layer.outputs)))
    found: list[Block] = []
    for shape, count in shapes:
        start = found[-1].stop if found else 0
        bias = start + padded_to_lanes(int(np.prod(shape)))
        found.append(Block(shape=shape, count=count, weights=start, bias=bias))
    return tuple(found)


def _read(chain: Chain, number: int) -> int:
    """Channels of a convolution's input as they lie."""
    channels = chain.convolutions[number].channels
    return padded(channels) if number else channels


def _stride(chain: Chain, number: int) -> int:
    """How long a dense layer's rows of weights are."""
    outputs = chain.dense[number].outputs
    return 1 if outputs == 1 and number == len(chain.dense) - 1 else padded(outputs)


@dataclass(slots=True)
class _Space:
    """Parts of an array, handed out one after another."""

    size: int = 0

    def take(self, numbers: int) -> int:
        start = self.size
        self.size += padded_to_lanes(numbers)
        return start


def tables(chain: Chain, batch: int, dtype: Any) -> tuple[_Array, ...]:
    """What the compiled passes of batches of at most so many examples look up and write to.

    Returns:
        the dense layers, a table of `_DENSE`; the convolutions, a table of `_CONVOLUTION`; the
        table of places, int64; scratch of the given type; and where in it features, slopes and
        transposed weights of dense layers begin.
    """
    space = _Space()
    places: list[int] = []
    parts = blocks(chain)
    convolutions = np.zeros(len(chain.convolutions), dtype=_CONVOLUTION)
    features = space.take(batch * int(np.prod(parts[len(convolutions)].shape[:3])))
    feature_slopes = space.take(batch * int(np.prod(parts[len(convolutions)].shape[:3])))
    for number, layer in enumerate(chain.convolutions):
        row = convolutions[number]
        _geometry(row, layer, _read(chain, number), parts[number])
        _places(row, places)
        row["image"] = space.take(batch * row["image_size"])
        row["image_slopes"] = space.take(row["image_size"])
        row["marks"] = space.take(batch * row["marks_size"])
        row["sums"] = space.take(row["pixels"] * row["written"])
        row["slopes"] = space.take(row["pixels"] * row["written"])
        row["turned"] = space.take(row["terms"] * row["written"])
    for row, after in itertools.pairwise(convolutions):
        row["next_row"] = (after["width"] + 2 * after["padding"]) * after["read"]
        border = after["padding"] * (row["next_row"] + after["read"])
        row["next"], row["next_size"] = after["image"] + border, after["image_size"]
        row["next_slopes"] = after["image_slopes"] + border
    if len(convolutions):
        last = convolutions[-1]
        height, width, channels, _ = parts[len(convolutions)].shape
        last["next"], last["next_slopes"] = features, feature_slopes
        last["next_row"] = width * channels
        last["next_size"] = last["next_slopes_size"] = height * width * channels
    dense = np.zeros(len(chain.dense), dtype=_DENSE)
    for number, part in enumerate(parts[len(convolutions) :]):
        stride = part.shape[3]
        dense[number] = (
            int(np.prod(part.shape[:3])), stride, part.count[1], part.weights, part.bias,
            space.take(batch * stride),
        )  # fmt: skip
    widest = int(max(dense["stride"]))
    starts = [features, feature_slopes, *(space.take(batch * widest) for _ in range(2))]
    inputs = dense["inputs"] if len(convolutions) else dense["inputs"][1:]
    starts.append(space.take(widest * int(max([*inputs, widest]))))
    return (
        dense,
        convolutions,
        np.array(places, dtype=np.int64),
        np.zeros(space.size, dtype=dtype),
        np.array(starts, dtype=np.int64),
    )


def _geometry(row: Any, layer: Convolution, read: int, part: Block) -> None:
    """Sizes of a convolution."""
    height, width = layer.seen
    values = {
        "channels": layer.channels, "read": read, "height": layer.height, "width": layer.width,
        "padding": layer.padding, "filters": layer.filters, "written": part.shape[3],
        "seen_height": height, "seen_width": width, "pooled": layer.pooled,
        "taps": layer.kernel**2, "terms": layer.kernel**2 * read,
        "weights": part.weights, "bias": part.bias, "pixels": height * width,
        "image_size": (layer.height + 2 * layer.padding)
        * (layer.width + 2 * layer.padding) * read,
        "marks_size": int(np.prod(layer.shape[1:])) * part.shape[3],
    }  # fmt: skip
    for name, value in values.items():
        row[name] = value


def _places(row: Any, places: list[int]) -> None:
    """Where a convolution finds its numbers, added to the table."""
    line, read = (row["width"] + 2 * row["padding"]) * row["read"], row["read"]
    kernel = range(int(np.sqrt(row["taps"])))
    taps = [y * line + x * read for y in kernel for x in kernel]
    found = {
        "pixel_at": [
            y * line + x * read
            for y in range(row["seen_height"])
            for x in range(row["seen_width"])
        ],
        "term_at": [tap + channel for tap in taps for channel in range(read)],
        "out_at": [n * row["written"] for n in range(max(row["pixels"], row["terms"]))],
        "tap_at": taps,
        "one_at": list(range(row["written"])),
    }  # fmt: skip
    for name, numbers in found.items():
        row[name] = len(places)
        places += numbers
