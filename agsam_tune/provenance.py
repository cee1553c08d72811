"""What numbers were made with: the processor, the versions of packages, the project's commit.

In: names of packages. Out: texts and numbers. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def processor() -> str:
    """The processor's model, as exactly as the system says."""
    names = named_values(Path("/proc/cpuinfo"), "model name")
    return names[0] if names else platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs' models, as NVIDIA's driver names them."""
    files = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return [name for path in files for name in named_values(path, "Model")]


def load() -> float | None:
    """Processes that were ready to run, on average over the last minute; None where unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def commit() -> str | None:
    """The commit of the checkout that the package lies in, `+` added where it was changed."""
    folder = Path(__file__).parent
    describe = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--exclude=*"]
    try:
        tracked = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", __file__],  # noqa: S607
            capture_output=True,
            timeout=10,
            check=False,
        )
        if tracked.returncode != 0:
            return None
        done = subprocess.run(  # noqa: S603
            [*describe, "--dirty=+"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def versions(packages: Sequence[str]) -> dict[str, str | None]:
    """The version of each package; None where it is not installed."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def named_values(path: Path, name: str) -> list[str]:
    """What a file of lines NAME: VALUE says of a name; nothing where it cannot be read."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        return []
    pairs = [line.partition(":") for line in lines]
    return [value.strip() for found, _, value in pairs if found.strip() == name]
