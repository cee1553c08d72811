"""Thirty random kills of driver, worker or node over one study of two thousand trials."""

import os
import random
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from tests.run.cluster import Nodes, nodes
from tests.run.commands import QUICK, agsam_tune, command, results, stored, stored_keys
from tests.run.processes import descendants, is_training
from tests.waiting import until

KILLS = 30
STUDY = [
    *("--set", "training.epochs=2", "--set", "packs.rows=16", "--no-report"),
    *("--set", "replicates=24", "--set", "analysis.max_replicates=24"),
    *("--set", "phases.map.points=8", "--set", "phases.tune.points=12"),
]


@pytest.mark.slow
def test_thirty_kills(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    done = agsam_tune("run", QUICK, *STUDY, "--executor", "inline", "--out", undisturbed)
    assert done.returncode == 0, done.stderr
    expected = results(undisturbed)
    assert len(expected) >= 2000
    moments = sorted(rng.sample(range(1, len(expected) - 50), KILLS))
    killed: Counter[str] = Counter()
    with nodes(1, 1) as cluster:
        arguments = ("run", QUICK, *STUDY, "--out", out, "--address", cluster.address)
        driver = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL)
        for moment in moments:
            what = rng.choice(["driver", "worker", "node"])
            until(lambda: stored(out) >= moment, while_true=lambda: driver.poll() is None)  # noqa: B023
            before = stored_keys(out)
            killed[what] += _kill(what, driver, cluster, rng)
            if what == "driver":
                driver.wait()
                assert stored_keys(out)[: len(before)] == before
                driver = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL)
        assert driver.wait() == 0
    print(killed)  # noqa: T201
    keys = stored_keys(out)
    assert len(keys) == len(set(keys)) == len(expected)
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


def _kill(what: str, driver: subprocess.Popen[bytes], cluster: Nodes, rng: random.Random) -> int:
    """Returns how many were killed: between packs there may be no worker to kill."""
    if what == "driver":
        driver.kill()
        return 1
    if what == "node":
        cluster.say(f"replace {rng.randrange(2)}")
        return 1
    busy = sorted(pid for pid in descendants(cluster.pid) if is_training(pid))
    if not busy:
        return 0
    os.kill(rng.choice(busy), signal.SIGKILL)
    return 1
