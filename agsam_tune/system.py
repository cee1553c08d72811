"""What a report of a problem needs to know of the machine and of what is installed on it.

In: nothing. Out: a dictionary for JSON, and the same as text. It answers though a package be
damaged. Must not import Ray or Optuna.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agsam_tune import __version__
from agsam_tune.provenance import commit, cores, gpus, load, processor, versions

__all__ = ["system_info", "text"]

_PACKAGES = (
    *("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "numba", "llvmlite", "torch", "ray"),
    *("optuna", "optuna-dashboard", "SQLAlchemy", "psycopg", "pydantic", "typer"),
    *("matplotlib", "plotly", "jax", "pytorch_optimizer"),
)
# Variables that change how trainings are computed or where files are looked for; no secrets.
_VARIABLES = (
    *("AGSAM_TUNE_DATA", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "CUDA_VISIBLE_DEVICES"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"),
    *("SLURM_JOB_ID", "RAY_AUTH_MODE"),
)


def system_info() -> dict[str, Any]:
    """Versions, machine, GPUs, BLAS, threads and folders; the keys stay what they are.

    What could not be found out is null, or a dictionary with the key `problem`.
    """
    return {
        "agsam_tune": {
            "version": __version__,
            "commit": commit(),
            "folder": str(Path(__file__).parent),
        },
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "packages": versions(_PACKAGES),
        "machine": {
            "system": platform.platform(),
            "cpu": processor(),
            "cores": cores(),
            "memory_gib": _memory(),
            "gpus": gpus(),
            "load": load(),
        },
        "torch": _tried(_torch),
        "blas": _tried(_blas),
        "folders": _tried(_folders),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def text(found: Mapping[str, Any]) -> str:
    """What `system_info` found, a line for each value."""
    lines = []
    for part, values in found.items():
        if not values:
            continue
        lines.append(part)
        width = max(map(len, values))
        lines += [f"  {name:{width}}  {_shown(value)}" for name, value in values.items()]
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "–" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def _memory() -> float | None:
    """Of the machine, in GiB."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    except (AttributeError, OSError, ValueError):
        return None


def _tried(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was found, or why nothing was: the damage may be what is to be reported."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001  (whatever importing a damaged package raises)
        return {"problem": f"{type(error).__name__}: {error}"}


def _torch() -> dict[str, Any]:
    from agsam_tune.engine.devices import facts

    return facts()


def _blas() -> dict[str, Any]:
    """The library that NumPy was built with."""
    import numpy as np

    built: Any = np.show_config(mode="dicts")
    return {key: built["Build Dependencies"]["blas"].get(key) for key in ("name", "version")}


def _folders() -> dict[str, Any]:
    from agsam_tune.data.finding import cache_folder, data_folder

    given = data_folder()
    return {"data": given and str(given), "cache": str(cache_folder())}
