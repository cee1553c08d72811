"""Scores over two hyperparameters: the fitted surface and the map's trainings.

In: the `Material`. Out: panels, a picture of one optimizer each, all on one colour scale. Where no
surface is fitted, the trainings alone.

Shapes: N trainings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from agsam_tune.report import frames
from agsam_tune.report.figures.panel import Panel, colour_bar, shorten
from agsam_tune.report.figures.unit_square import Box, Floats, picture, unit_axis, unit_share
from agsam_tune.report.material import Material
from agsam_tune.report.style import BAD, COLOUR_MAP

Pair = tuple[str, str]

_SIZE = (4.1, 3.3)
# On the surfaces themselves, which have the same colours on light and on dark paper.
_WHITE = "#fffffe"
_MANY = 400
"""More points than this are drawn as one image and smaller: an SVG element each would be MBs."""
_PHASES = ("map", "iid")
"""Whose points fill the search space evenly: those of `tune` crowd around the best place."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Surface:
    """One optimizer over the pair, in the unit square; scores in the unit that is shown.

    `x`, `y`, `score` and `collapsed` are (N,); `mean` is a picture (rows y), None without a fit.
    """

    optimizer: str
    x: Floats
    y: Floats
    score: Floats
    collapsed: NDArray[np.bool_]
    mean: Floats | None


def pairs(material: Material) -> list[Pair]:
    """The pairs that surfaces are fitted over; without any, the key with each other one."""
    grid = _grid(material)
    if len(grid):
        return [
            (str(first), str(second)) for first, second in grid.groupby(["first", "second"]).groups
        ]
    names = material.study.hyperparameters
    key = material.summary.design.key or (names[0] if names else None)
    return [pair for pair in combinations(names, 2) if key in pair]


def surface_panels(material: Material, pair: Pair) -> tuple[Panel, ...]:
    """A panel for each optimizer that has both hyperparameters and something to show."""
    made = [
        one
        for name in material.optimizers
        if set(pair) <= set(material.study.search_spaces[name].names)
        and ((one := _surface(material, name, pair)).mean is not None or one.score.size)
    ]
    if not made:
        return ()
    shown = [one.score for one in made]
    shown += [one.mean.ravel() for one in made if one.mean is not None]
    seen = np.concatenate(shown)
    low, high = float(np.nanmin(seen)), float(np.nanmax(seen))
    norm = Normalize(low, high if high > low else low + 1.0)
    return tuple(_panel(material, one, pair, norm) for one in made)


def _grid(material: Material) -> pd.DataFrame:
    """The fitted surfaces: optimizer, first, second, x1, x2, score."""
    columns = ["optimizer", "first", "second", "x1", "x2", "score"]
    if material.surfaces is None or not len(material.surfaces.grid):
        return pd.DataFrame(columns=columns)
    return material.surfaces.grid[columns]


def _surface(material: Material, name: str, pair: Pair) -> _Surface:
    boxes: Mapping[str, Box] = material.study.search_spaces[name].ranges
    first, second = (boxes[key] for key in pair)
    scale = material.scores.scale
    rows = frames.complete(material.trials)
    rows = rows[(rows["optimizer"] == name) & rows["phase"].isin(_PHASES)].dropna(subset=list(pair))
    x, y = unit_share(rows[pair[0]], first), unit_share(rows[pair[1]], second)
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    score = rows["test_accuracy"].to_numpy(dtype=float)
    grid = _grid(material)
    nodes = grid[
        (grid["optimizer"] == name) & (grid["first"] == pair[0]) & (grid["second"] == pair[1])
    ]
    return _Surface(
        optimizer=name,
        x=x[inside],
        y=y[inside],
        score=scale * np.maximum(score, material.summary.design.trivial)[inside],
        collapsed=frames.collapsed(rows, material.threshold).to_numpy(dtype=bool)[inside],
        mean=picture(
            unit_share(nodes["x1"], first),
            unit_share(nodes["x2"], second),
            scale * nodes["score"].to_numpy(dtype=float),
        )
        if len(nodes)
        else None,
    )


def _panel(material: Material, one: _Surface, pair: Pair, norm: Normalize) -> Panel:
    boxes = material.study.search_spaces[one.optimizer].ranges

    def draw(ax: Axes) -> None:
        ax.set_title(shorten(one.optimizer) + ("" if one.mean is not None else ": trainings"))
        if one.mean is not None:
            ax.imshow(
                np.ma.masked_invalid(one.mean),
                origin="lower",
                extent=(0, 1, 0, 1),
                cmap=COLOUR_MAP,
                norm=norm,
                aspect="auto",
                interpolation="none",
            )
        _dots(ax, one, norm)
        unit_axis(ax, "x", pair[0], boxes[pair[0]])
        unit_axis(ax, "y", pair[1], boxes[pair[1]])
        label = "score" + (f" ({material.scores.name})" if material.scores.name else "")
        colour_bar(ax, low=norm.vmin or 0.0, high=norm.vmax or 1.0, colours=COLOUR_MAP, label=label)

    return Panel(
        key=f"surface-{one.optimizer}",
        alt=f"Score of {one.optimizer} over {pair[0]} and {pair[1]}.",
        draw=draw,
        size=_SIZE,
    )


def _dots(ax: Axes, one: _Surface, norm: Normalize) -> None:
    """The trainings in the surface's own colours; collapsed ones are crosses."""
    many = len(one.score) > _MANY
    size = 5.0 if many else 13.0
    good = ~one.collapsed
    ax.scatter(
        one.x[good],
        one.y[good],
        c=one.score[good],
        s=size,
        cmap=COLOUR_MAP,
        norm=norm,
        edgecolors=_WHITE,
        linewidths=0.0 if many else 0.6,
        rasterized=many,
        zorder=3,
    )
    for width, ink in ((2.2, _WHITE), (1.0, BAD)):
        ax.scatter(
            one.x[one.collapsed],
            one.y[one.collapsed],
            marker="x",
            s=1.5 * size,
            color=ink,
            linewidths=width,
            rasterized=many,
            zorder=4,
        )
