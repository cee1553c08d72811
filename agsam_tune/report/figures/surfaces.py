"""Accuracy surfaces over rho and a second hyperparameter, all on one colour scale.

In: points (columns optimizer, hyperparameters, accuracy, diverged, failed) and search spaces. Out:
panels and their colour scale. The background is a local mean for the eye (see `smoothing`); the
dots are what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from agsam_tune.report.figures.panel import Panel, nothing, shorten
from agsam_tune.report.smoothing import local_means
from agsam_tune.report.style import BAD, COLOUR_MAP

SIZE, SMALL = (4.1, 3.5), (3.0, 2.7)
"""Inches of a panel, three or four to a row."""
# On the surfaces themselves, which have the same colours on light and on dark paper.
BLACK, WHITE = "#000001", "#fffffe"
LEVEL_LINES = ("solid", "dashed", "dotted")
MANY = 400
"""More points than this are drawn as one image and smaller: an SVG element each would be MBs."""


class Box(Protocol):
    """One hyperparameter's range (as `agsam_tune.study.Range`)."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def log(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The one colour scale of all surfaces, in percent."""

    low: float
    high: float

    @property
    def norm(self) -> Normalize:
        """For matplotlib."""
        return Normalize(self.low, self.high)

    @property
    def mappable(self) -> ScalarMappable:
        """For a colour bar."""
        return ScalarMappable(self.norm, COLOUR_MAP)


def common_scale(points: pd.DataFrame) -> Scale:
    """From the worst to the best point of any optimizer, widened to whole percents."""
    values = 100 * points["accuracy"].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    if not values.size:
        return Scale(low=0.0, high=100.0)
    low, high = float(np.floor(values.min())), float(np.ceil(values.max()))
    return Scale(low=low, high=max(high, low + 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One optimizer's points in the unit square and their local means, in percent.

    `x`, `y` are the first and second hyperparameter as shares of their ranges in their own scale;
    `background` is a square grid (rows y), NaN where no point is near.
    """

    optimizer: str
    first: str
    second: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    values: NDArray[np.float64]
    failed: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    background: NDArray[np.float64]


def surface(
    points: pd.DataFrame,
    boxes: Mapping[str, Box],
    *,
    optimizer: str,
    second: str,
    first: str = "rho",
) -> Surface:
    """Projects one optimizer's points that lie in its search space on two hyperparameters."""
    own = points[points["optimizer"] == optimizer].dropna(subset=[first, second, "accuracy"])
    x, y = unit_share(own[first], boxes[first]), unit_share(own[second], boxes[second])
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    values = 100 * own["accuracy"].to_numpy(dtype=float)[inside]
    return Surface(
        optimizer=optimizer,
        first=first,
        second=second,
        x=x[inside],
        y=y[inside],
        values=values,
        failed=own["failed"].to_numpy(dtype=bool)[inside],
        diverged=own["diverged"].to_numpy(dtype=bool)[inside],
        background=local_means(x[inside], y[inside], values),
    )


def brightest(made: Sequence[Surface]) -> float | None:
    """The highest local mean of any of the surfaces, in percent."""
    peaks = [np.nanmax(one.background) for one in made if np.isfinite(one.background).any()]
    return float(max(peaks)) if peaks else None


def surface_panel(
    one: Surface, boxes: Mapping[str, Box], *, scale: Scale, levels: Sequence[float], small: bool
) -> Panel:
    """One surface: `first` across, `second` up; lines where the background crosses `levels` (%)."""

    def draw(ax: Axes) -> None:
        ax.set_title(shorten(one.optimizer))
        if not one.values.size:
            return nothing(ax, "no points yet")
        ax.imshow(
            np.ma.masked_invalid(one.background),
            origin="lower",
            extent=(0, 1, 0, 1),
            cmap=COLOUR_MAP,
            norm=scale.norm,
            aspect="auto",
            interpolation="bilinear",
        )
        _lines(ax, one.background, levels)
        _dots(ax, one, scale)
        for axis, name in (("x", one.first), ("y", one.second)):
            _unit_axis(ax, axis, name, boxes[name])
        return None

    return Panel(
        key=f"surface-{one.second}-{one.optimizer}",
        alt=f"Test accuracy of {one.optimizer} over {one.first} and {one.second}.",
        draw=draw,
        size=SMALL if small else SIZE,
    )


def scale_panel(scale: Scale) -> Panel:
    """The colour scale as a strip of its own, for the page."""

    def draw(ax: Axes) -> None:
        ramp = np.linspace(scale.low, scale.high, 256)[None, :]
        ax.imshow(ramp, aspect="auto", cmap=COLOUR_MAP, extent=(scale.low, scale.high, 0, 1))
        ax.set_yticks([])
        ax.set_xlabel("test accuracy (%)")
        for spine in ax.spines.values():
            spine.set_visible(False)

    return Panel(
        key="surface-scale",
        alt=f"Colour scale of the surfaces, from {scale.low:g} % to {scale.high:g} %.",
        draw=draw,
        size=(3.6, 0.55),
    )


def _lines(ax: Axes, background: NDArray[np.float64], levels: Sequence[float]) -> None:
    """Contours of the background, highest level solid, then dashed and dotted."""
    seen = background[np.isfinite(background)]
    crossed = [level for level in sorted(levels) if seen.min() < level < seen.max()]
    if not crossed:
        return
    centres = (np.arange(len(background)) + 0.5) / len(background)
    highest_first = {level: rank for rank, level in enumerate(sorted(levels, reverse=True))}
    ax.contour(
        centres,
        centres,
        np.ma.masked_invalid(background),
        levels=crossed,
        colors=BLACK,
        linewidths=0.9,
        zorder=3.5,
        linestyles=[LEVEL_LINES[highest_first[level] % len(LEVEL_LINES)] for level in crossed],
    )


def _dots(ax: Axes, one: Surface, scale: Scale) -> None:
    """The measured points in the surface's own colours; failed and diverged ones are crossed."""
    many = len(one.values) > MANY
    size = 5.0 if many else 13.0
    good = ~one.failed
    ax.scatter(
        one.x[good],
        one.y[good],
        c=one.values[good],
        s=size,
        cmap=COLOUR_MAP,
        norm=scale.norm,
        edgecolors=WHITE,
        linewidths=0.0 if many else 0.6,
        rasterized=many,
        zorder=3,
    )
    kinds = ((one.failed & ~one.diverged, "+", BLACK, WHITE), (one.diverged, "x", WHITE, BAD))
    for chosen, marker, halo, colour in kinds:
        for width, ink in ((2.2, halo), (1.0, colour)):
            ax.scatter(
                one.x[chosen],
                one.y[chosen],
                marker=marker,
                s=1.5 * size,
                color=ink,
                linewidths=width,
                rasterized=many,
                zorder=4,
            )


def unit_share(values: pd.Series, box: Box) -> NDArray[np.float64]:
    """Values as a share of their range in its own scale: 0 at the low end, 1 at the high end."""
    transform = _transform(box)
    low, high = transform(box.low), transform(box.high)
    numbers = values.to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (transform(numbers) - low) / (high - low)
    # The ends of a log range come back from the file with the last bit off.
    return np.where(np.abs(share - np.clip(share, 0, 1)) < 1e-9, np.clip(share, 0, 1), share)


def _transform(box: Box) -> Callable[[NDArray[np.float64] | float], NDArray[np.float64]]:
    return np.log10 if box.log else np.asarray


def _unit_axis(ax: Axes, axis: str, name: str, box: Box) -> None:
    """Ticks at round values of the hyperparameter, placed on the unit axis."""
    if box.log:
        exponents = range(int(np.ceil(np.log10(box.low))), int(np.floor(np.log10(box.high))) + 1)
        ticks = np.array([10.0**e for e in exponents]) if exponents else np.array([box.low])
    else:
        ticks = np.linspace(box.low, box.high, 5)
    places = unit_share(pd.Series(ticks), box)
    labels = [f"{tick:.3g}" for tick in ticks]
    label = f"{shorten(name)} (log scale)" if box.log else shorten(name)
    if axis == "x":
        ax.set_xticks(places, labels)
        ax.set_xlim(0, 1)
        ax.set_xlabel(label)
    else:
        ax.set_yticks(places, labels)
        ax.set_ylim(0, 1)
        ax.set_ylabel(label)
