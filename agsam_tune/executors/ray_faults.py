"""What Ray says of a worker that was lost, understood.

In: Ray's words. Out: the fault, and whose it is. Must not import Ray or torch.
"""

from __future__ import annotations

import re

from agsam_tune.agenda import Fault

REASONS = {
    Fault.WORKER: "its worker process died",
    Fault.MACHINE: "its machine was lost",
    Fault.MEMORY: "its machine was out of memory, and Ray ended its worker process",
}


def fault_of(words: str) -> Fault:
    """Why a worker was lost, from what Ray says of it.

    What is not the death of this very process (a machine that is gone or cannot be reached) is
    taken as the machine's, which is held against a pack the least.
    """
    if re.search(r"OutOfMemory|running low on memory", words):
        return Fault.MEMORY
    if "worker process has died" in words:
        return Fault.WORKER
    return Fault.MACHINE


def greediest(words: str) -> str | None:
    """The actor with most memory of those that Ray says it ended for want of it, if any."""
    ended = re.findall(r"Actor\((\w+)\):.*?actual memory used=([\d.]+)GB", words)
    return max(ended, key=lambda one: float(one[1]))[0] if ended else None
