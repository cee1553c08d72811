"""How the driver's time and memory grow with the number of trials.

    python -m tests.benchmarks.growth 1000 10000 100000

Each size is a study of a task with two examples and three weights, so that next to nothing is
trained and what is left is the driver: the design, the agenda, Ray Tune, the store, progress.
Prints, for each, the driver's CPU time a trial and its memory, and those of the report.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.run.commands import command

TASK = """
import numpy as np
from agsam_tune.tasks.task import Mlp, Split, Task

def nothing(*, seed):
    split = Split(x=np.array([[-1.0], [1.0]], np.float32), y=np.array([0, 1], np.int64))
    return Task(name="nothing", train=split, validation=None, test=split, model=Mlp(widths=(1, 1)))
"""
STUDY = """
task = "nothing:nothing"
optimizers = ["gsam", "adaptive_gsam"]
candidate = "adaptive_gsam"
baseline = "gsam"

[training]
epochs = {epochs}
batch_size = 2
lr = 0.1

[[phases]]
name = "map"
points = {points}
replicates = 8
seeds = {seeds}

[packs]
rows = 64
"""
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=int, nargs="+", help="sizes of the studies")
    parser.add_argument("--epochs", type=int, default=30, help="entries of a learning curve")
    parser.add_argument("--executor", default="ray", choices=["ray", "inline"])
    parser.add_argument("--report", action="store_true", help="time the report too")
    parser.add_argument("--storage", help="of each study, {trials} in it replaced")
    given = parser.parse_args()
    for trials in given.trials:
        with tempfile.TemporaryDirectory() as folder:
            found = _measure(Path(folder), trials, given)
        print(json.dumps(found), flush=True)  # noqa: T201


def _measure(folder: Path, trials: int, given: argparse.Namespace) -> dict[str, float]:
    points = 1 << max(3, (trials // 40).bit_length() - 1)
    seeds = max(1, round(trials / 2 / points))
    (folder / "nothing.py").write_text(TASK)
    study = folder / "study.toml"
    study.write_text(STUDY.format(points=points, seeds=seeds, epochs=given.epochs))
    out = folder / "run"
    storage = ["--storage", given.storage.format(trials=trials)] if given.storage else []
    begun = time.monotonic()
    process = subprocess.Popen(
        command("run", study, "--no-report", "--out", out, "--executor", given.executor, *storage),
        stdout=subprocess.DEVNULL,
    )
    seconds, peak = 0.0, 0.0
    while process.poll() is None:
        seconds, peak = _usage(process.pid, seconds, peak)
        time.sleep(0.1)
    if process.returncode != 0:
        sys.exit(process.returncode)
    n = 2 * points * seeds
    found = {
        "trials": n,
        "wall_s": round(time.monotonic() - begun, 1),
        "driver_cpu_ms_per_trial": round(1000 * seconds / n, 3),
        "driver_peak_MiB": round(peak / 1024),
        "store_MB": round((out / "study.journal").stat().st_size / 1e6, 1) if not storage else 0.0,
    }
    if given.report:
        begun = time.monotonic()
        subprocess.run(command("report", out), stdout=subprocess.DEVNULL, check=True)
        found["report_s"] = round(time.monotonic() - begun, 1)
        found["page_MB"] = round((out / "report.html").stat().st_size / 1e6, 1)
    return found


def _usage(pid: int, seconds: float, peak: float) -> tuple[float, float]:
    """CPU seconds and the most kilobytes of memory so far of a process that may just end."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return seconds, peak
    used = (int(fields[11]) + int(fields[12])) / _TICKS
    most = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return max(used, seconds), max([float(one) for one in most] + [peak])


if __name__ == "__main__":
    main()
