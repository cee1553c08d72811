"""The memory that a run takes on this machine.

In: what the kernel says of processes. Out: bytes. Imports the standard library only.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def memory_of_tree(pid: int) -> int | None:
    """Bytes that a process and all it started hold for themselves; None where nobody says.

    Pages that processes share, such as libraries and Ray's copy of the data, do not count: they
    would count once for each worker.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for process in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            # After the name, which may hold anything: the state and the parent.
            stat = (process / "stat").read_bytes()
            children[int(stat.rpartition(b")")[2].split()[1])].append(int(process.name))
    pages, waiting = 0, [pid]
    while waiting:
        found = waiting.pop()
        waiting += children[found]
        with suppress(OSError):
            _, resident, shared = (_PROC / str(found) / "statm").read_bytes().split()[:3]
            pages += int(resident) - int(shared)
    return pages * os.sysconf("SC_PAGE_SIZE") if pages else None
