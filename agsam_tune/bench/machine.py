"""What was measured on: the machine and the versions.

In: nothing. Out: dictionaries. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agsam_tune import __version__

_PACKAGES = ("numpy", "torch", "jax", "pytorch_optimizer", "ray", "optuna")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """The processor, its cores, the threads of each contender, the GPUs, and how busy it is."""
    models = _values(Path("/proc/cpuinfo"), "model name")
    gpus = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": cores(),
        "threads": 1,
        "gpus": [name for path in gpus for name in _values(path, "Model")],
        "system": platform.platform(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def versions() -> dict[str, str | None]:
    """Of Python, this package and what it is measured with; None where it is not installed."""
    found: dict[str, str | None] = {
        "python": platform.python_version(),
        "agsam-tune": __version__,
    }
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _values(path: Path, key: str) -> list[str]:
    """What a file of lines KEY: VALUE says of the key."""
    if not path.is_file():
        return []
    pairs = [line.partition(":") for line in path.read_text("utf-8").splitlines()]
    return [value.strip() for name, _, value in pairs if name.strip() == key]
