"""How the report looks: one colour and line style per optimizer, everywhere the same.

In: the optimizers of a study and which of them are candidate, baseline and control. Out:
`OptimizerStyle`s, matplotlib settings and the colours that are rewritten to CSS variables in the
HTML. Imports matplotlib only; never pyplot.

The colours are Okabe & Ito's ("Color Universal Design", 2008), which the colour-blind can tell
apart; line styles repeat the distinction for print in grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INK = "#1f2328"
"""Text and axes. Rewritten to `currentColor` in the HTML."""
MUTED = "#6b727b"
"""Secondary text, chance, grids. Rewritten to `var(--muted)`."""
PAPER = "#fefefe"
"""Halos around markers. Rewritten to `var(--paper)`."""
BAD = "#b42318"
"""Diverged and failed trials. Rewritten to `var(--bad)`."""

VERMILLION, BLUE, GREEN, SKY, PURPLE, ORANGE, YELLOW = (
    "#d55e00",
    "#0072b2",
    "#009e73",
    "#56b4e9",
    "#cc79a7",
    "#e69f00",
    # Okabe & Ito's yellow #f0e442 is invisible on white paper; this is the same hue, darker.
    "#a89a00",
)

CSS_COLOURS: Mapping[str, str] = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    PAPER: "var(--paper)",
    BAD: "var(--bad)",
    VERMILLION: "var(--vermillion)",
    BLUE: "var(--blue)",
    GREEN: "var(--green)",
    SKY: "var(--sky)",
    PURPLE: "var(--purple)",
    ORANGE: "var(--orange)",
    YELLOW: "var(--yellow)",
}

COLOUR_MAP = "cividis"
"""Perceptually uniform and the same to the colour-blind (Nunez et al., 2018)."""

REFERENCES = ("sgd", "sgd_2x")
"""Optimizers without hyperparameters that every main study has: horizontal lines in figures."""

MATPLOTLIB: Mapping[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    # Where it would be put anyway: looking for ticks above a panel takes a tenth of all drawing.
    "axes.titley": 1.0,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.7,
    "axes.facecolor": "none",
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.labelcolor": INK,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    # Names come from files: a `$` in one is a dollar, not mathematics.
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.visible": False,
    "svg.fonttype": "none",
}


LineStyle = str | tuple[float, tuple[float, ...]]
"""A named style of matplotlib's, or (offset, lengths of dashes and gaps)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerStyle:
    """How one optimizer is drawn."""

    name: str
    colour: str
    dashes: LineStyle
    width: float
    prominent: bool
    order: int

    @property
    def line(self) -> dict[str, Any]:
        """Keyword arguments of `Axes.plot`."""
        return {
            "color": self.colour,
            "linestyle": self.dashes,
            "linewidth": self.width,
            "zorder": 5.0 if self.prominent else 3.0,
        }


_OTHERS: tuple[tuple[str, tuple[float, ...]], ...] = (
    (SKY, (5, 1.2, 1, 1.2)),
    (PURPLE, (4, 1.4)),
    (ORANGE, (5, 1.2, 1, 1.2, 1, 1.2)),
    (YELLOW, (2.4, 1.2)),
    (MUTED, (7, 1.5)),
)


def optimizer_styles(
    optimizers: Sequence[str], *, candidate: str | None, baseline: str | None, control: str | None
) -> dict[str, OptimizerStyle]:
    """Styles by optimizer, in drawing order: candidate, baseline, control, the others, sgd, sgd_2x.

    The styles of others come from a cycle, so a study may have any number of optimizers.
    """
    first = [name for name in (candidate, baseline, control) if name and name in optimizers]
    last = [name for name in REFERENCES if name in optimizers and name not in first]
    middle = [name for name in optimizers if name not in first and name not in last]
    ordered = list(dict.fromkeys([*first, *middle, *last]))
    roles: dict[str, tuple[str, tuple[float, ...], float]] = {
        "sgd": (INK, (6, 2), 1.1),
        "sgd_2x": (PURPLE, (6, 2, 1.5, 2), 1.1),
    }
    if control is not None:
        roles[control] = (GREEN, (3.2, 1.3), 1.5)
    if baseline is not None:
        roles[baseline] = (BLUE, (), 2.1)
    if candidate is not None:
        roles[candidate] = (VERMILLION, (), 2.1)
    styles: dict[str, OptimizerStyle] = {}
    cycle = 0
    for order, name in enumerate(ordered):
        if name in roles:
            colour, dashes, width = roles[name]
        else:
            colour, dashes = _OTHERS[cycle % len(_OTHERS)]
            width, cycle = 1.3, cycle + 1
        styles[name] = OptimizerStyle(
            name=name,
            colour=colour,
            dashes=(0.0, dashes) if dashes else "solid",
            width=width,
            prominent=name in (candidate, baseline),
            order=order,
        )
    return styles
