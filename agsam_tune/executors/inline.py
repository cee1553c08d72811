"""The in-process executor, for debugging: one pack after another, in this process.

In: an agenda. Out: outcomes, handed to `deliver`. Must not import Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Callable

from agsam_tune.agenda import Agenda
from agsam_tune.executors.work import Job, Trained, train


def run_inline(agenda: Agenda, job: Job, deliver: Callable[[Trained], None]) -> None:
    """Train every pack of the agenda.

    Args:
        agenda: what to run.
        job: what all packs have in common.
        deliver: is called with a trained pack; it records it in the agenda.
    """
    while (pack := agenda.next_pack()) is not None:
        deliver(train(job, pack))
