"""Forward and backward pass of a row's convolutions, example by example.

In: a row of weights and a batch of images. Out: features, or the gradient from the slopes of
the features. Must not import PyTorch, Ray or Optuna.

A convolution is a product of patches, which lie where a table says, with the kernel's
weights: nothing is copied. An example goes through all convolutions while it is in a core's
cache.
"""

from __future__ import annotations

from numba import njit

from agsam_tune.engine.compiled.tile import add_product_at

# What pooling writes down of a number: which of the four was kept, or that ReLU cut it off.
_CUT = 4


@njit(boundscheck=False)
def features(w, x, batch, convolutions, places, scratch):
    """The outputs of the last convolution are written to the scratch, at their place."""
    for e in range(batch):
        _load(x, e, convolutions[0], scratch)
        for c in convolutions:
            image = scratch[c.image + e * c.image_size : c.image + (e + 1) * c.image_size]
            sums = scratch[c.sums : c.sums + c.pixels * c.written]
            for i in range(len(sums)):
                sums[i] = 0
            add_product_at(
                places, sums, c.out_at, image, c.pixel_at, c.term_at, w[c.weights :],
                c.written, c.pixels, c.written, c.terms,
            )  # fmt: skip
            _finish(
                sums.reshape(c.seen_height, c.seen_width, c.written),
                w[c.bias : c.bias + c.written],
                c.pooled,
                _marks(c, e, scratch),
                scratch[c.next + e * c.next_size :],
                c.next_row,
            )


@njit(boundscheck=False)
def add_gradients(w, batch, convolutions, places, scratch, gradient):
    """The gradient of the convolutions' weights is written to `gradient`."""
    for c in convolutions:
        gradient[c.weights : c.weights + c.terms * c.written] = 0
        gradient[c.bias : c.bias + c.written] = 0
        _turn(w[c.weights :], c, scratch)
    for e in range(batch):
        for n in range(len(convolutions) - 1, -1, -1):
            c = convolutions[n]
            image = scratch[c.image + e * c.image_size : c.image + (e + 1) * c.image_size]
            slopes = scratch[c.slopes : c.slopes + c.pixels * c.written]
            _spread(
                scratch[c.next_slopes + e * c.next_slopes_size :],
                c.next_row,
                _marks(c, e, scratch),
                c.pooled,
                slopes.reshape(c.seen_height, c.seen_width, c.written),
                gradient[c.bias : c.bias + c.written],
            )
            add_product_at(
                places, gradient[c.weights :], c.out_at, image, c.term_at, c.pixel_at, slopes,
                c.written, c.terms, c.written, c.pixels,
            )  # fmt: skip
            if n:
                under = scratch[c.image_slopes : c.image_slopes + c.image_size]
                for i in range(len(under)):
                    under[i] = 0
                for tap in range(c.taps):
                    turned = scratch[c.turned + tap * c.filters * c.read :]
                    add_product_at(
                        places, under[places[c.tap_at + tap] :], c.pixel_at, slopes, c.out_at,
                        c.one_at, turned, c.read, c.pixels, c.read, c.filters,
                    )  # fmt: skip


@njit(boundscheck=False)
def _load(x, e, c, scratch):
    """An example as the first convolution wants it; the border stays as it is, zero."""
    line = c.width * c.channels
    row = (c.width + 2 * c.padding) * c.channels
    for y in range(c.height):
        to = c.image + e * c.image_size + (y + c.padding) * row + c.padding * c.channels
        scratch[to : to + line] = x[(e * c.height + y) * line : (e * c.height + y + 1) * line]


@njit(boundscheck=False)
def _marks(c, e, scratch):
    height, width = c.seen_height, c.seen_width
    if c.pooled:
        height, width = height // 2, width // 2
    start = c.marks + e * c.marks_size
    return scratch[start : start + c.marks_size].reshape(height, width, c.written)


@njit(boundscheck=False)
def _finish(sums, bias, pooled, marks, out, out_row):
    """Pooling, bias and ReLU; NaN stays NaN."""
    zero, cut = sums.dtype.type(0), sums.dtype.type(_CUT)
    first, second, third = sums.dtype.type(1), sums.dtype.type(2), sums.dtype.type(3)
    height, width, channels = marks.shape
    for y in range(height):
        for x in range(width):
            line = out[y * out_row + x * channels : y * out_row + (x + 1) * channels]
            for f in range(channels):
                which = zero
                if pooled:
                    best = sums[2 * y, 2 * x, f]
                    other = sums[2 * y, 2 * x + 1, f]
                    taken = (other > best) | (other != other)
                    best, which = other if taken else best, first if taken else which
                    other = sums[2 * y + 1, 2 * x, f]
                    taken = (other > best) | (other != other)
                    best, which = other if taken else best, second if taken else which
                    other = sums[2 * y + 1, 2 * x + 1, f]
                    taken = (other > best) | (other != other)
                    best, which = other if taken else best, third if taken else which
                else:
                    best = sums[y, x, f]
                value = best + bias[f]
                marks[y, x, f] = cut if value <= zero else which
                line[f] = zero if value < zero else value  # noqa: FURB136


@njit(boundscheck=False)
def _spread(out_slopes, out_row, marks, pooled, slopes, bias_gradient):
    """Slopes of the outputs become those of the sums before ReLU and pooling."""
    zero, cut = slopes.dtype.type(0), slopes.dtype.type(_CUT)
    height, width, channels = marks.shape
    share = 2 if pooled else 1
    for y in range(height * share, slopes.shape[0]):
        slopes[y] = zero
    for y in range(height):
        for x in range(width * share, slopes.shape[1]):
            for dy in range(share):
                slopes[y * share + dy, x] = zero
        for x in range(width):
            line = out_slopes[y * out_row + x * channels : y * out_row + (x + 1) * channels]
            for f in range(channels):
                bias_gradient[f] += zero if marks[y, x, f] == cut else line[f]
            for tap in range(share * share):
                mark = slopes.dtype.type(tap)
                for f in range(channels):
                    slopes[y * share + tap // 2, x * share + tap % 2, f] = (
                        line[f] if marks[y, x, f] == mark else zero
                    )


@njit(boundscheck=False)
def _turn(weights, c, scratch):
    """Each tap's weights, transposed."""
    for tap in range(c.taps):
        for f in range(c.filters):
            for channel in range(c.read):
                to = c.turned + (tap * c.filters + f) * c.read + channel
                scratch[to] = weights[(tap * c.read + channel) * c.written + f]
