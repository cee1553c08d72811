"""The plot of the README: how many times faster than pytorch-optimizer's GSAM.

In: the measurements with their ratios. Out: an image file. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agsam_tune.bench.machine import INSTALL
from agsam_tune.bench.texts import MODELS, label
from agsam_tune.errors import UsageError

_OURS, _OTHERS = "#0072b2", "#b0b0b0"
_RATIO = "times_pytorch-optimizer"


def plot(found: Mapping[str, Any], path: Path) -> None:
    """Write a bar for every contender, as the ending of `path` says (svg, png, pdf).

    Raises:
        UsageError: no steps were measured, or not those of pytorch-optimizer.
    """
    bars = {
        name: [each for each in measured["contenders"] if each[_RATIO]]
        for name, measured in found["problems"].items()
    }
    bars = {name: contenders for name, contenders in bars.items() if contenders}
    if not bars:
        msg = "bench: there are no ratios to plot; they need one of moons, digits and mnist, and "
        raise UsageError(msg + f"pytorch-optimizer ({INSTALL})")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = [len(contenders) for contenders in bars.values()]
    with mpl.rc_context({"svg.hashsalt": "agsam-tune", "font.size": 8}):
        figure = Figure(figsize=(6.4, 0.6 * len(counts) + 0.2 * sum(counts)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(counts), height_ratios=counts, squeeze=False)
        for axis, (name, contenders) in zip(axes[:, 0], bars.items(), strict=True):
            _draw(axis, MODELS[name], contenders)
        axes[-1, 0].set_xlabel(
            "training steps per second and core, in those of pytorch-optimizer's GSAM"
        )
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw(axis: Any, title: str, contenders: list[dict[str, Any]]) -> None:
    ratios = [each[_RATIO] for each in contenders]
    colours = [_OURS if each["name"] == "pack" else _OTHERS for each in contenders]
    drawn = axis.barh([label(each) for each in contenders], ratios, color=colours)
    axis.bar_label(drawn, [f"{ratio:.1f}" for ratio in ratios], padding=2)
    axis.margins(x=0.08)
    axis.invert_yaxis()
    axis.set_title(title, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
