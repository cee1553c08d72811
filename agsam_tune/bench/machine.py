"""What was measured on: the machine, and the packages that it is measured with.

In: nothing. Out: dictionaries. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from agsam_tune.provenance import named_values, processor
from agsam_tune.provenance import versions as versions_of

_PACKAGES = ("agsam-tune", "numpy", "torch", "jax", "pytorch_optimizer", "ray", "optuna")
INSTALL = "pip install 'agsam-tune[bench]'"


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """The processor, its cores, the threads of each contender, the GPUs, and how busy it is."""
    gpus = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return {
        "cpu": processor(),
        "cores": cores(),
        "threads": 1,
        "gpus": [name for path in gpus for name in named_values(path, "Model")],
        "system": platform.platform(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def versions() -> dict[str, str | None]:
    """Of Python, this package and what it is measured with; None where it is not installed."""
    return {"python": platform.python_version(), **versions_of(_PACKAGES)}


def not_installed(package: str | None) -> str:
    """Why there is nothing of a peer."""
    return f"{package} is not installed ({INSTALL})"
