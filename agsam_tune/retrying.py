"""Running trials again: those that failed, and those that were drawn without them.

In: a store and an agenda. Out: trials set aside, so that they are missing and the agenda hands
them out, and words for the user. Must not import torch, Ray or Optuna.

What was drawn from the results of others follows them within its replicate: the batches of `tune`
from the batches before, `misset` from the own best. Where a failed trial of `map` or `tune` runs
after all, these are drawn again, and only what comes to lie elsewhere is run again. So a run whose
failed trials were mended is the run in which they never failed, but for the range of `radius`: once
found it is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from agsam_tune.agenda import Agenda
from agsam_tune.folder import RunFolder
from agsam_tune.manifest import RunManifest
from agsam_tune.store import ResultStore
from agsam_tune.trials import Key, Outcome, State


def set_failed_aside(
    folder: RunFolder, manifest: RunManifest, store: ResultStore, say: Callable[[str], None]
) -> frozenset[Key]:
    """Set aside all trials that failed; returns which."""
    failed = frozenset(o.trial.key for o in store.outcomes() if o.state is State.FAIL)
    if not failed:
        say("No trial raised an error or ended its worker, so none is run again")
        return failed
    manifest.update(finished=None)  # first, lest a kill leaves a run that seems to be finished
    folder.failures.unlink(missing_ok=True)  # what is raised from now on is what is wrong
    folder.remove_checkpoints()  # they may be of the code that was wrong
    store.set_aside(failed)
    trials, are = ("trial", "is") if len(failed) == 1 else ("trials", "are")
    say(f"{len(failed)} {trials} that failed {are} run again")
    return failed


def set_outdated_aside(
    agenda: Agenda, store: ResultStore, say: Callable[[str], None]
) -> Sequence[Outcome]:
    """Set aside what is drawn elsewhere, now that failed trials ran; returns what it was."""
    outdated = agenda.take_outdated()
    if not outdated:
        return outdated
    store.set_aside({outcome.trial.key for outcome in outdated})
    counts = Counter((o.trial.optimizer, o.trial.phase) for o in outdated)
    for (optimizer, phase), n in counts.items():
        say(
            f"{optimizer}: {n} trials of {phase} are run again at other points, which follow from "
            "trials that had failed"
        )
    return outdated
