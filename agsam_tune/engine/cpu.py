"""Settings of the process under which packs train on a CPU.

In: nothing. Out: a context manager. Must not import Ray, Optuna or the study file.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# 32 MiB is the largest that glibc takes for the second.
_KEPT_BYTES = 32 << 20


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, denormal numbers flushed to zero, freed memory kept; restored at the end.

    A pack has one core, and its sums must not be split among threads. Momentum of a row
    whose gradient vanished decays into denormal numbers, which some CPUs compute slowly.
    """
    _keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


@cache
def _keep_freed_memory() -> None:
    """Tell glibc not to hand freed memory back to the system.

    The matrices of a step lie around its thresholds, and a training that returns them
    at every step and faults them in again takes half as long again.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
