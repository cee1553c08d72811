"""A whole study on all cores against what is usual: trials an hour, and what is not training.

In: how many trials of each. Out: rates and shares. Must not import torch or Ray; the processes
that it starts do.

Both train moons with the recipe of studies/moons.toml. Start-up is the time from a command's
start to that of its first training. What is left of its wall time, to the end of the process,
is the net time: with the search, the storing, what its cores wait, Ray's end, and the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import Any

import optuna

from agsam_tune.bench.machine import not_installed
from agsam_tune.bench.program import agsam_tune, module, timed
from agsam_tune.provenance import cores
from agsam_tune.store.journal import open_journal

# All of moons.toml that its GSAM trials of the map depend on, but for the number of replicates.
_STUDY = """
task = "moons"
optimizers = ["gsam"]
replicates = {replicates}

[training]
epochs = 30
batch_size = 64
lr = 0.05
momentum = 0.9

[[phases]]
name = "map"
points = 16
"""
# Every fourth point has a second seed.
_PER_REPLICATE = 20


def end_to_end(
    *, trials: int, usual_trials: int, echo: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Run a study, and what is usual, one after the other on all cores.

    Args:
        trials: of the study, at least; a whole number of replicates.
        usual_trials: of the usual stack.
        echo: told what is measured.

    Returns:
        cores; ours and usual, each with trials, wall_s, start_up_s, training_core_s (the core
        seconds of the trainings, evaluations included), trials an hour of the wall time and of
        the net time; times and times_net, the ratios of these, None without the usual one;
        overhead, the share of the study's net core time in which nothing was trained.
    """
    echo("end to end: a study")
    ours = _ours(trials)
    if find_spec("pytorch_optimizer") is None:
        usual: dict[str, Any] = {"missing": not_installed("pytorch_optimizer")}
    else:
        echo("end to end: the usual stack")
        usual = _usual(usual_trials)
    available = cores()
    net = ours["wall_s"] - ours["start_up_s"]
    return {
        "cores": available,
        "ours": ours,
        "usual": usual,
        "times": ours["per_hour"] / usual["per_hour"] if "per_hour" in usual else None,
        "times_net": (
            ours["per_hour_net"] / usual["per_hour_net"] if "per_hour" in usual else None
        ),
        "overhead": 1 - ours["training_core_s"] / (net * available),
    }


def _ours(trials: int) -> dict[str, Any]:
    with TemporaryDirectory() as name:
        folder = _with_study(Path(name), replicates=-(-trials // _PER_REPLICATE))
        command = agsam_tune("run", "study.toml", "--no-report", "--out", "run")
        started = time()
        wall, _ = timed(command, folder)
        stored = list(_stored(folder / "run" / "study.journal"))
    # The trials of a pack share its seconds evenly, so equal seconds are those of one pack.
    packs = [list(pack) for _, pack in groupby(sorted(stored), lambda trial: trial[0])]
    began = min(min(when for _, when in pack) - len(pack) * pack[0][0] for pack in packs)
    return _rates(len(stored), wall, began - started, sum(seconds for seconds, _ in stored))


def _with_study(folder: Path, *, replicates: int) -> Path:
    (folder / "study.toml").write_text(_STUDY.format(replicates=replicates))
    return folder


def _stored(journal: Path) -> Iterator[tuple[float, float]]:
    """Each trial's core seconds, and when it was stored, in seconds since 1970."""
    storage = open_journal(str(journal), without="curve")
    for name in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        for trial in study.get_trials(deepcopy=False):
            if trial.datetime_complete is not None:
                yield trial.user_attrs["seconds"], trial.datetime_complete.timestamp()


def _usual(trials: int) -> dict[str, Any]:
    with TemporaryDirectory() as name:
        folder = _with_study(Path(name), replicates=1)
        started = time()
        command = module("agsam_tune.bench.usual_stack", "study.toml", str(trials))
        wall, output = timed(command, folder)
    found = json.loads(output.splitlines()[-1])
    return _rates(found["trials"], wall, found["began"] - started, found["training_core_s"])


def _rates(trials: int, wall: float, start_up: float, training: float) -> dict[str, Any]:
    return {
        "trials": trials,
        "wall_s": wall,
        "start_up_s": start_up,
        "training_core_s": training,
        "per_hour": 3600 * trials / wall,
        "per_hour_net": 3600 * trials / (wall - start_up),
    }
