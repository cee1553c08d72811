"""Reports that many tests read: each is written once, whatever number of processes test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from agsam_tune.report import write_report
from tests.report.records import REPORTS


def written(factory: pytest.TempPathFactory, name: str) -> Path:
    """The folder of a report, with its run's trials.parquet."""
    base = factory.getbasetemp()
    # Below it each process of one run of the tests has a folder of its own.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"report-{name}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "report.html").is_file():  # which is written last
            folder.mkdir(exist_ok=True)
            given = REPORTS[name]()
            given["trials"].to_parquet(folder / "trials.parquet", index=False)
            write_report(folder, **given)
    return folder
