"""What a report takes, and a study besides its training, as the number of trials grows.

In: numbers of trials. Out: seconds and megabytes. Must not import torch, Ray or Optuna; the
processes that it starts do.

The trials are those of a task of which next to nothing is trained, with as long learning curves
as moons has, and the phases of studies/moons.toml.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from agsam_tune.bench.program import agsam_tune, timed

_STUDY = """
task = "agsam_tune.bench.nothing:nothing"
optimizers = ["sgd", "gsam", "adaptive_gsam", "gsam_matched"]
candidate = "adaptive_gsam"
baseline = "gsam"
control = "gsam_matched"
replicates = {replicates}

[training]
epochs = 30
batch_size = 4
lr = 0.1

[[phases]]
name = "map"
points = 16

[[phases]]
name = "key"
points = 20

[[phases]]
name = "off"
points = 24

[[phases]]
name = "radius"
points = 18
low = 0.1
high = 1.0

[[phases]]
name = "tune"
points = 16

[[phases]]
name = "misset"
points = 4

[[phases]]
name = "default"

[packs]
rows = 256
"""
# Trials of a replicate.
_PER_REPLICATE = 228


def report_times(
    sizes: Sequence[int], echo: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """For each size: trials, run_s (the study in one process), report_s, and page_mb.

    The trials are about as many as asked for: a whole number of replicates.
    """
    found = []
    for size in sizes:
        echo(f"report: about {size:,} trials")
        with TemporaryDirectory() as folder:
            found.append(_measured(Path(folder), size))
    return found


def _measured(folder: Path, size: int) -> dict[str, Any]:
    replicates = max(2, round(size / _PER_REPLICATE))
    (folder / "study.toml").write_text(_STUDY.format(replicates=replicates))
    run = ("run", "study.toml", "--no-report", "--executor", "inline", "--out", "run")
    run_s, _ = timed(agsam_tune(*run), folder)
    report_s, _ = timed(agsam_tune("report", "run"), folder)
    return {
        "trials": pq.read_metadata(folder / "run" / "trials.parquet").num_rows,
        "run_s": run_s,
        "report_s": report_s,
        "page_mb": (folder / "run" / "report.html").stat().st_size / 1e6,
    }
