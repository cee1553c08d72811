"""Which entries are of weights and which of biases, for a rule that asks.

In: groups and the model, whose names tell. Out: a mask beside the row. Must not import anything
of this package but `agsam_tune.optimizers` and the modules beside it.

Shapes: P entries of all parameters that have a gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from agsam_tune.optim.flat import Flat, ParameterGroup
from agsam_tune.optimizers.kinds import Kind, kind_of


def known_kinds(groups: Iterable[ParameterGroup], model: nn.Module | None) -> dict[int, Kind]:
    """id of a parameter → its kind, where its name is known: to its group or to the model."""
    found: dict[int, Kind] = {}
    for group in groups:
        for name, parameter in zip(group.get("param_names", ()), group["params"], strict=False):
            found[id(parameter)] = kind_of(name)
    named = () if model is None else model.named_parameters()
    return found | {id(parameter): kind_of(name) for name, parameter in named}


def weight_mask(flat: Flat, kinds: Mapping[int, Kind]) -> Tensor:
    """Which entries of the row are of weights, (1, P) bool."""
    marks = [kinds[id(parameter)] == "weight" for parameter in flat.parameters]
    sizes = [parameter.numel() for parameter in flat.parameters]
    return torch.tensor(marks).repeat_interleave(torch.tensor(sizes))[None].to(flat.device)
