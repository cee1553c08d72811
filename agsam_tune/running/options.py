"""Where and how a study is run.

In: nothing. Out: one frozen record. Must not import anything heavy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Where and how to run.

    Attributes:
        out: the run's folder.
        storage: where results lie; None for the folder's journal.
        executor: `ray` or `inline`.
        address: of a Ray cluster that exists, or None.
        cpus: cores to use, or None for all.
        gpus: GPUs to use, or None for all.
        time_budget: seconds after which no pack is started, or None.
        import_path: folders in which a user's task is looked for.
        command: the command line, for the manifest.
        report: whether the estimates and the report are written too, not the trials alone.
        reuse: folders of runs whose trials are taken over where the study has the same.
        retry_failed: whether trials that failed before are run again.
        until_decided: whether more replicates follow while the claim is undecided.
    """

    out: Path
    storage: str | None = None
    executor: str = "ray"
    address: str | None = None
    cpus: int | None = None
    gpus: int | None = None
    time_budget: float | None = None
    import_path: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    report: bool = True
    reuse: tuple[Path, ...] = ()
    retry_failed: bool = False
    until_decided: bool = False
