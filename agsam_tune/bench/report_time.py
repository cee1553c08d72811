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

[training]
epochs = 30
batch_size = 4
lr = 0.1

[[phases]]
name = "map"
points = {points}
replicates = 8
seeds = {seeds}

[[phases]]
name = "tune"
points = 32
seeds = 2

[[phases]]
name = "iid"
points = 32

[[phases]]
name = "misset"
seeds = 2

[packs]
rows = 256
"""
# The optimizers of which a map has points, and the trials of all other phases.
_MAPPED, _OTHERS = 3, 550
_MOST_POINTS, _SEEDS = 1024, 4


def report_times(
    sizes: Sequence[int], echo: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """For each size: trials, run_s (the study in one process), report_s, and page_mb.

    The trials are about as many as asked for: a map has a power of two of points.
    """
    found = []
    for size in sizes:
        echo(f"report: about {size:,} trials")
        with TemporaryDirectory() as folder:
            found.append(_measured(Path(folder), size))
    return found


def _measured(folder: Path, size: int) -> dict[str, Any]:
    mapped = max(size - _OTHERS, 8 * _MAPPED) / _MAPPED
    points = 8
    while points < _MOST_POINTS and 2 * points * _SEEDS <= mapped:
        points *= 2
    seeds = max(1, round(mapped / points))
    (folder / "study.toml").write_text(_STUDY.format(points=points, seeds=seeds))
    run = ("run", "study.toml", "--no-report", "--executor", "inline", "--out", "run")
    run_s, _ = timed(agsam_tune(*run), folder)
    report_s, _ = timed(agsam_tune("report", "run"), folder)
    return {
        "trials": pq.read_metadata(folder / "run" / "trials.parquet").num_rows,
        "run_s": run_s,
        "report_s": report_s,
        "page_mb": (folder / "run" / "report.html").stat().st_size / 1e6,
    }
