"""What this machine can train on.

In: nothing. Out: whether PyTorch finds a GPU. Must not import Ray, Optuna or the study file.
"""

import torch


def gpu_is_available() -> bool:
    """Whether packs can be trained on a GPU of this machine."""
    return torch.cuda.is_available()
