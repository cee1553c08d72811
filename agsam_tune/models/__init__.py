"""Models for the built-in tasks, as PyTorch modules without in-place state.

In: sizes. Out: newly initialised modules that map a batch of images to logits. Must import
nothing but PyTorch.
"""

from agsam_tune.models.convolutional import cifar_cnn, digits_cnn, mnist_cnn, paper_cnn
from agsam_tune.models.perceptron import perceptron
from agsam_tune.models.residual import resnet

__all__ = ["cifar_cnn", "digits_cnn", "mnist_cnn", "paper_cnn", "perceptron", "resnet"]
