"""Plain convolutional networks: the paper's, and smaller ones.

In: sizes. Out: modules for images (B, channels, height, width). Must import nothing but
PyTorch.
"""

from __future__ import annotations

from torch import nn


def paper_cnn() -> nn.Module:
    """The paper's MNIST network, 225,034 parameters, for images (B, 1, 28, 28).

    Two convolutions 3×3 without padding (32 and 64 channels), each with ReLU and 2×2
    pooling, then dense layers of 128 and 10. Weights are Glorot-uniform and biases zero, as
    Keras initialises them.
    """
    network = nn.Sequential(
        *_block(1, 32, padding=0),
        *_block(32, 64, padding=0),
        nn.Flatten(),
        nn.Linear(64 * 5 * 5, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def mnist_cnn() -> nn.Module:
    """A small network for images (B, 1, 28, 28), 5,258 parameters."""
    return nn.Sequential(
        *_block(1, 8, padding=0), *_block(8, 16, padding=0), nn.Flatten(), nn.Linear(400, 10)
    )


def digits_cnn() -> nn.Module:
    """A small network for images (B, 1, 8, 8), 6,090 parameters."""
    return nn.Sequential(
        *_block(1, 16, padding=1), *_block(16, 32, padding=1), nn.Flatten(), nn.Linear(128, 10)
    )


def cifar_cnn(classes: int) -> nn.Module:
    """A small network for images (B, 3, 32, 32): 16, 32 and 64 channels, one dense layer."""
    return nn.Sequential(
        *_block(3, 16, padding=1),
        *_block(16, 32, padding=1),
        *_block(32, 64, padding=1),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, classes),
    )


def _block(inputs: int, outputs: int, *, padding: int) -> tuple[nn.Module, ...]:
    # Pooling first gives the same bits as ReLU first, gradients too, and leaves ReLU a quarter
    # of the numbers: a pass of the paper's network takes a tenth less.
    return nn.Conv2d(inputs, outputs, 3, padding=padding), nn.MaxPool2d(2), nn.ReLU()
