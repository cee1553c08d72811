"""Scores over two hyperparameters: the fitted surface and the map's trainings.

In: the `Material`. Out: panels, a picture of one optimizer each, all on one colour scale. Where no
surface is fitted, the trainings alone.

Shapes: N trainings, G × H nodes of a surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from agsam_tune.report import frames
from agsam_tune.report.figures.panel import Panel, colour_bar, plain_ticks, shorten
from agsam_tune.report.material import Material
from agsam_tune.report.style import BAD, COLOUR_MAP

Pair = tuple[str, str]
Floats = NDArray[np.float64]

_SIZE = (4.1, 3.3)
# On the surfaces themselves, which have the same colours on light and on dark paper.
_WHITE = "#fffffe"
_MANY = 400
"""More points than this are drawn as one image and smaller: an SVG element each would be MBs."""
_PHASES = ("map", "iid")
"""Whose points fill the search space evenly: those of `tune` crowd around the best place."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Surface:
    """One optimizer over the pair; scores in the unit that is shown.

    `x`, `y`, `score`, `collapsed` are of the trainings (N,). `nodes` are a fitted surface: its x
    (G,), its y (H,), and the scores (H, G); None without a fit.
    """

    optimizer: str
    x: Floats
    y: Floats
    score: Floats
    collapsed: NDArray[np.bool_]
    nodes: tuple[Floats, Floats, Floats] | None


def pairs(material: Material) -> list[Pair]:
    """The pairs that surfaces are fitted over; without any, the key with each other one."""
    grid = _grid(material)
    if len(grid):
        found = grid[["first", "second"]].drop_duplicates().itertuples(index=False)
        return [(str(first), str(second)) for first, second in found]
    names = material.study.hyperparameters
    key = material.summary.design.key or (names[0] if names else None)
    return [pair for pair in combinations(names, 2) if key in pair]


def has_fit(material: Material) -> bool:
    """Whether any surface is fitted."""
    return len(_grid(material)) > 0


def surface_panels(material: Material, pair: Pair) -> tuple[Panel, ...]:
    """A panel for each optimizer that has both hyperparameters and something to show."""
    made = [
        one
        for name in material.optimizers
        if set(pair) <= set(material.study.search_spaces[name].names)
        and ((one := _surface(material, name, pair)).nodes is not None or one.score.size)
    ]
    if not made:
        return ()
    shown = [one.score for one in made]
    shown += [one.nodes[2].ravel() for one in made if one.nodes is not None]
    seen = np.concatenate(shown)
    low, high = float(np.nanmin(seen)), float(np.nanmax(seen))
    norm = Normalize(low, high if high > low else low + 1.0)
    return tuple(_panel(material, one, pair, norm) for one in made)


def _grid(material: Material) -> pd.DataFrame:
    """The fitted surfaces over two hyperparameters: optimizer, first, second, x1, x2, score."""
    columns = ["optimizer", "first", "second", "x1", "x2", "score"]
    if material.surfaces is None or not len(material.surfaces.grid):
        return pd.DataFrame(columns=columns)
    grid = material.surfaces.grid.rename(columns={"rho": "x1", "accuracy": "score"})
    return grid.assign(first="rho")[columns].query("second != ''")


def _surface(material: Material, name: str, pair: Pair) -> _Surface:
    scale, boxes = material.scores.scale, material.study.search_spaces[name].ranges
    rows = frames.complete(material.trials)
    rows = rows[(rows["optimizer"] == name) & rows["phase"].isin(_PHASES)]
    for key in pair:
        rows = rows[rows[key].between(boxes[key].low, boxes[key].high)]
    grid = _grid(material)
    own = grid[
        (grid["optimizer"] == name) & (grid["first"] == pair[0]) & (grid["second"] == pair[1])
    ]
    table = own.pivot_table(index="x2", columns="x1", values="score")
    score = rows["test_accuracy"].to_numpy(dtype=float)
    return _Surface(
        optimizer=name,
        x=rows[pair[0]].to_numpy(dtype=float),
        y=rows[pair[1]].to_numpy(dtype=float),
        score=scale * np.maximum(score, material.summary.design.trivial),
        collapsed=frames.collapsed(rows, material.threshold).to_numpy(dtype=bool),
        nodes=None
        if table.empty
        else (
            table.columns.to_numpy(dtype=float),
            table.index.to_numpy(dtype=float),
            scale * table.to_numpy(dtype=float),
        ),
    )


def _panel(material: Material, one: _Surface, pair: Pair, norm: Normalize) -> Panel:
    boxes = material.study.search_spaces[one.optimizer].ranges

    def draw(ax: Axes) -> None:
        ax.set_title(shorten(one.optimizer) + ("" if one.nodes is not None else ": trainings"))
        for axis, key in zip("xy", pair, strict=True):
            log = boxes[key].log
            ax.set(
                **{
                    f"{axis}scale": "log" if log else "linear",
                    f"{axis}lim": (boxes[key].low, boxes[key].high),
                    f"{axis}label": shorten(key) + (" (log scale)" if log else ""),
                }
            )
            if log:
                plain_ticks(ax.xaxis if axis == "x" else ax.yaxis)
        if one.nodes is not None:
            ax.pcolormesh(
                *one.nodes, cmap=COLOUR_MAP, norm=norm, shading="gouraud", rasterized=True
            )
        _dots(ax, one, norm)
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
    size, good = 5.0 if many else 13.0, ~one.collapsed
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
    at = one.x[one.collapsed], one.y[one.collapsed]
    for width, ink in ((2.2, _WHITE), (1.0, BAD)):
        ax.scatter(
            *at, marker="x", s=1.5 * size, color=ink, linewidths=width, rasterized=many, zorder=4
        )
