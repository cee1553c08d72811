"""What numbers were made with: the processor, and the versions of packages.

In: names of packages. Out: texts. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def processor() -> str:
    """The processor's model, as exactly as the system says."""
    names = named_values(Path("/proc/cpuinfo"), "model name")
    return names[0] if names else platform.processor() or platform.machine()


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
