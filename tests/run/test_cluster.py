"""A study on a cluster of several nodes gives the same results, whatever happens to the nodes."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from ray import cloudpickle

from agsam_tune.executors.data import load_tasks
from agsam_tune.executors.ray_cluster import carried_along
from agsam_tune.executors.work import ImportPath, Job
from agsam_tune.study import load_study
from tests.run.cluster import nodes
from tests.run.commands import QUICK, TINY, agsam_tune, invoke, results, stored
from tests.run.guilty import write_study
from tests.store.servers import PostgreSQL
from tests.waiting import until

SMALL_PACKS = ["--set", "packs.rows=8"]


def _when_stored(out: Path, trials: int, then: Callable[[], object]) -> threading.Thread:
    """Do something as soon as so many trials are in the journal."""

    def wait() -> None:
        until(lambda: stored(out) >= trials)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_node_is_lost_and_another_comes(tmp_path: Path, expected: pd.DataFrame) -> None:
    out = tmp_path / "run"
    with nodes(1, 1) as cluster:

        def change() -> None:
            cluster.say("remove 0")
            cluster.say("add 1")

        changed = _when_stored(out, 40, change)
        arguments = ("run", QUICK, *TINY, *SMALL_PACKS, "--address", cluster.address, "--out", out)
        done = agsam_tune(*arguments)
        changed.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "raylet" not in done.stdout
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("cpus", [(1,), (1, 1, 1)])
@pytest.mark.parametrize("kind", ["journal", "sqlite", "postgresql"])
def test_storages_and_nodes_do_not_change_results(
    cpus: tuple[int, ...], kind: str, tmp_path: Path, expected: pd.DataFrame
) -> None:
    out = tmp_path / "run"
    with nodes(*cpus) as cluster, PostgreSQL.started() as server:
        locations = {
            "journal": str(tmp_path / "results.journal"),
            "sqlite": f"sqlite:///{tmp_path / 'results.db'}",
            "postgresql": server.new_database(),
        }
        where = ("--storage", locations[kind], "--address", cluster.address, "--out", out)
        done = agsam_tune("run", QUICK, *TINY, *SMALL_PACKS, *where)
    assert done.returncode == 0, done.stdout + done.stderr
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


@pytest.mark.slow  # a minute is waited for the head
def test_the_head_is_lost(tmp_path: Path, expected: pd.DataFrame) -> None:
    out = tmp_path / "run"
    with nodes(1) as cluster:
        lost = _when_stored(out, 40, lambda: cluster.say("head"))
        arguments = ("run", QUICK, *TINY, *SMALL_PACKS, "--out", out)
        done = agsam_tune(*arguments, "--address", cluster.address)
        lost.join()
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert "the Ray cluster is gone. What is done is stored; the same command" in line
    again = agsam_tune(*arguments, "--executor", "inline")
    assert again.returncode == 0, again.stdout + again.stderr
    pd.testing.assert_frame_equal(results(out), expected, check_exact=True)


@pytest.mark.slow
def test_a_head_that_ray_start_started_and_that_asks_for_a_token(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    """As somebody would do by hand; the user's own optimizer travels along."""
    token, ray = tmp_path / "token", str(Path(sys.executable).parent / "ray")
    token.touch(mode=0o600)
    token.write_text("0123456789abcdef" * 4)
    environment = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    known = {**environment, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    port = _free_port()
    start = [ray, "start", "--head", "--num-cpus=1", f"--port={port}", "--include-dashboard=false"]
    temporary = Path(tempfile.mkdtemp(prefix="r"))  # short: the paths of sockets are limited
    head = subprocess.Popen(
        [*start, f"--temp-dir={temporary}", "--node-ip-address=127.0.0.1", "--block"],
        env=known,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _is_open(port), while_true=lambda: head.poll() is None)
        arguments = ("run", QUICK, *TINY, "--address", f"127.0.0.1:{port}")
        stranger = agsam_tune(*arguments, "--out", tmp_path / "stranger", environment=environment)
        done = agsam_tune(*arguments, "--out", tmp_path / "run", environment=known)
    finally:
        head.terminate()
        head.wait()
        shutil.rmtree(temporary, ignore_errors=True)
    assert stranger.returncode == 2, stranger.stdout + stranger.stderr
    assert not (tmp_path / "stranger").exists()
    assert done.returncode == 0, done.stdout + done.stderr
    pd.testing.assert_frame_equal(results(tmp_path / "run"), expected, check_exact=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _is_open(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_what_is_the_users_own_travels_along(tmp_path: Path) -> None:
    """To machines that have neither the study's folder nor its modules."""
    study = load_study(write_study(tmp_path, "trials = []"))
    path = (str(tmp_path),)
    tasks = load_tasks(study, path)
    job = Job(
        import_path=ImportPath(path), study=study, tasks=tasks, rules=(), device="cpu", way="rows"
    )
    with carried_along(path):
        sent = cloudpickle.dumps(job)
    (tmp_path / "job.pickle").write_bytes(sent)
    (tmp_path / "guilty.py").unlink()
    program = (
        "import pickle, sys; job = pickle.load(open(sys.argv[1], 'rb')); "
        "print(job.tasks.first.model.build())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "job.pickle"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Linear(in_features=2" in done.stdout


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:1", "nowhere.invalid:6379", "x y", "a:b", ":6379", "127.0.0.1:99999", "ray://a:1"],
)
def test_an_address_where_no_cluster_is(address: str, tmp_path: Path) -> None:
    done = invoke("run", QUICK, *TINY, "--address", address, "--out", tmp_path / "run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"--address {address}: " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
