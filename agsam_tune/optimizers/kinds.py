"""What the parts of a row are that are one parameter tensor each: a model's segments.

In: parameters' names, or what a model says of its own. Out: kinds, and which entries of a row are
of which kind. Must not import Ray, Optuna or anything of this package.

Shapes: K rows (models), P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from torch import Tensor

Kind = Literal["weight", "bias"]


def kind_of(name: str) -> Kind:
    """The kind of the parameter called `name` in its module, as ASAM's authors tell them apart.

    What has "weight" in its own name is one, so a norm's scale too; all else counts as a bias.
    Of a parametrized parameter the name is that of what it stands for.
    """
    *_, own = name.rpartition("parametrizations.")
    if own == name:
        *_, own = name.rpartition(".")
    return "weight" if "weight" in own else "bias"


def mark_weights(segments: Iterable[Tensor], kinds: Iterable[Kind]) -> None:
    """Write to views of a row of booleans, one a parameter, whether they are weights."""
    for segment, kind in zip(segments, kinds, strict=True):
        segment.fill_(kind == "weight")
