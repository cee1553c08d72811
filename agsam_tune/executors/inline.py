"""The in-process executor, for debugging: one pack after another, in this process.

In: an agenda. Out: outcomes, handed to `deliver`. Must not import Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Callable

from agsam_tune.agenda import Agenda
from agsam_tune.executors.work import Job, Trained, Watcher, train


def run_inline(
    agenda: Agenda, job: Job, deliver: Callable[[Trained], None], watcher: Watcher
) -> None:
    """Train every pack of the agenda.

    Args:
        agenda: what to run.
        job: what all packs have in common.
        deliver: is called with a trained pack; it records it in the agenda.
        watcher: is told of each pack.
    """
    watcher.places(1)
    while (pack := agenda.next_pack()) is not None:
        watcher.begun(pack)
        trained = train(job, pack)
        deliver(trained)
        watcher.ended(pack, trained.outcomes)
