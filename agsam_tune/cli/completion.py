"""What a shell offers to complete: studies, tasks, optimizers, runs' folders, keys of `--set`.

In: what is typed so far. Out: words that begin with it; none where the shell's own completion of
files serves better. It is asked at each press of a key: it must not import anything heavy.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def studies(incomplete: str) -> list[str]:
    """Names of studies; a path is the shell's to complete."""
    from agsam_tune.study.files import study_names

    return _beginning(study_names(), incomplete)


def tasks(incomplete: str) -> list[str]:
    """Names of tasks, built-in ones and those that packages announce."""
    from agsam_tune.listing import task_names

    return _beginning(task_names(), incomplete)


def data_tasks(incomplete: str) -> list[str]:
    """Names of the tasks that need files."""
    from agsam_tune.listing import data_sets

    return _beginning(data_sets(), incomplete)


def optimizers(incomplete: str) -> list[str]:
    """Names of optimizers, in a list with commas: the last one is completed."""
    from agsam_tune.listing import optimizer_names

    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    free = [name for name in optimizer_names() if name not in taken]
    return [f"{before}{comma}{name}" for name in _beginning(free, last)]


def keys(incomplete: str) -> list[str]:
    """Keys that `--set` takes, each with its equals sign; a value is the user's to know."""
    from agsam_tune.study.overrides import override_keys

    return _beginning([f"{key}=" for key in override_keys()], incomplete)


def runs(incomplete: str) -> list[str]:
    """Folders of runs: those in `runs`, and those where the typing has got to."""
    typed = Path(incomplete)
    here = typed if incomplete.endswith("/") else typed.parent
    found = dict.fromkeys(
        str(manifest.parent)
        for folder in (Path("runs"), here)
        for manifest in sorted(folder.glob("*/manifest.json"))
    )
    return _beginning(found, incomplete)


def _beginning(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
