"""A small residual network with group normalisation.

In: sizes. Out: a module for images (B, 3, 32, 32). Must import nothing but PyTorch.
"""

from __future__ import annotations

from torch import Tensor, nn


def resnet(classes: int, *, width: int = 16, blocks: int = 1) -> nn.Module:
    """ResNet of 6·blocks + 2 layers for CIFAR (He et al. 2016, arXiv 1512.03385, section 4.2).

    Group normalisation (Wu & He 2018, arXiv 1803.08494) in place of batch normalisation, so
    that the forward pass changes nothing in the module and an example's output does not
    depend on the other examples of its batch.

    Args:
        classes: outputs.
        width: channels of the first of the three stages, a multiple of 4; the others have
            twice and four times as many.
        blocks: residual blocks of each stage.
    """
    stages: list[nn.Module] = []
    channels = width
    for stage in range(3):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            outputs = width << stage
            stages.append(_Residual(channels, outputs, stride))
            channels = outputs
    stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
    return nn.Sequential(stem, *stages, _normalised(channels), nn.ReLU(), _Head(channels, classes))


class _Residual(nn.Module):
    """x + convolutions of the normalised x (pre-activation, arXiv 1603.05027)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            _normalised(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            _normalised(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        skipped: Tensor = self.shortcut(x)
        branched: Tensor = self.branch(x)
        return skipped + branched


class _Head(nn.Module):
    """The mean over each channel's image, and a dense layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.dense = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.dense(x.mean((2, 3)))
        return logits


def _normalised(channels: int) -> nn.Module:
    return nn.GroupNorm(max(channels // 4, 1), channels)
