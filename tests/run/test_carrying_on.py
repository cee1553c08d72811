"""A driver that is killed loses nothing and runs nothing twice."""

import os
import random
import signal
from pathlib import Path

import pandas as pd
import pytest

from agsam_tune.folder import RunFolder
from tests.run.commands import QUICK, TINY, invoke, results, stored, stored_keys
from tests.run.drivers import Driver
from tests.waiting import until


@pytest.mark.parametrize(
    ("executor", "kills"),
    [
        ("inline", 2),
        pytest.param("ray", 1, marks=pytest.mark.slow),
        pytest.param("inline", 20, marks=pytest.mark.slow),
        pytest.param("ray", 20, marks=pytest.mark.slow),
    ],
)
def test_kill_9_at_random_moments(
    executor: str, kills: int, tmp_path: Path, expected: pd.DataFrame
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)
    out = tmp_path / "killed"
    arguments = ("run", QUICK, *TINY, "--set", "packs.rows=4", "--out", out)
    for moment in sorted(rng.sample(range(1, len(expected) - 10), kills)):
        before = stored_keys(out)
        driver = Driver(*arguments, "--executor", executor, output=tmp_path / "output")
        until(lambda: stored(out) >= moment, while_true=driver.works)  # noqa: B023
        driver.send(signal.SIGKILL)
        driver.wait()
        assert stored_keys(out)[: len(before)] == before
    done = invoke(*arguments, "--executor", "inline")
    assert done.returncode == 0, done.stdout + done.stderr
    keys = stored_keys(out)
    assert len(keys) == len(set(keys)) == len(expected)
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


def test_a_second_driver_is_refused_by_name(tmp_path: Path) -> None:
    out = tmp_path / "locked"
    with RunFolder(path=out).driver():
        second = invoke("run", QUICK, *TINY, "--out", out)
    assert second.returncode == 1
    assert f"process {os.getpid()} on " in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert not (out / "study.journal").exists()
