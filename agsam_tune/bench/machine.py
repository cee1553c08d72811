"""What was measured on: the machine, and the packages that it is measured with.

In: nothing. Out: dictionaries. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import platform
from typing import Any

from agsam_tune.provenance import cores, gpus, load, processor
from agsam_tune.provenance import versions as versions_of

_PACKAGES = ("agsam-tune", "numpy", "torch", "jax", "pytorch_optimizer", "ray", "optuna")
INSTALL = "pip install 'agsam-tune[bench]'"


def machine() -> dict[str, Any]:
    """The processor, its cores, the threads of each contender, the GPUs, and how busy it is."""
    return {
        "cpu": processor(),
        "cores": cores(),
        "threads": 1,
        "gpus": gpus(),
        "system": platform.platform(),
        "load": load(),
    }


def versions() -> dict[str, str | None]:
    """Of Python, this package and what it is measured with; None where it is not installed."""
    return {"python": platform.python_version(), **versions_of(_PACKAGES)}


def not_installed(package: str | None) -> str:
    """Why there is nothing of a peer."""
    return f"{package} is not installed ({INSTALL})"
