"""Packs share out GPUs, which Ray is told of, so that this is tested where there are none.

Where there is a GPU, `tests/engine/test_gpu.py` trains on it.
"""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.run.guilty import write_study

PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock
from agsam_tune.agenda import Agenda
from agsam_tune.executors.data import load_tasks
from agsam_tune.executors.ray_environment import before_ray
from agsam_tune.executors.work import ImportPath, Job
from agsam_tune.study import load_study

before_ray(address=None)
from agsam_tune.executors.ray_tune import run_ray

file, share, gpus = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
path = (str(file.parent),)
study = load_study(file, overrides=[f"resources.gpus={share}", "training.epochs=1",
                                    "phases.map.points=8", "replicates=8"])
tasks = load_tasks(study, path)
job = Job(import_path=ImportPath(path), study=study, tasks=tasks, rules=(), device="cpu",
          way="rows")
agenda = Agenda(study, [], rows=1)
left = 12

def deliver(trained):
    global left
    agenda.record(trained.outcomes)
    left -= 1
    if not left:
        agenda._ready.clear()

run_ray(agenda, job, deliver, Mock(), cpus=4, gpus=gpus, address=None)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("share", "gpus"), [("1.0", 3), ("0.5", 2)])
def test_every_gpu_is_kept_busy(share: str, gpus: int, tmp_path: Path) -> None:
    log, workers = tmp_path / "log", round(gpus / float(share))
    options = f"trials = 'all'\ndoes = 'meet'\nmeet = {workers}\nlog = '{log}'"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, write_study(tmp_path, options), share, str(gpus)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, set[str]] = defaultdict(set)  # of each worker, the GPUs of its packs
    for line in log.read_text().splitlines():
        pid, devices = line.split()
        seen[pid].add(devices)
    # Packs wait until all workers have one; a worker keeps its GPU, and no pack sees two.
    assert all(len(devices) == 1 for devices in seen.values())
    shared = sorted(next(iter(devices)) for devices in seen.values())
    assert shared == sorted(str(gpu) for gpu in range(gpus) for _ in range(workers // gpus))
