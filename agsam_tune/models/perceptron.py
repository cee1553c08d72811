"""Multilayer perceptrons as modules.

In: widths. Out: a module. Must import nothing but PyTorch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import nn


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Dense layers with ReLU between them; examples of any shape are flattened.

    Args:
        widths: inputs, hidden widths, outputs.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
