"""Memory is that of a process and of all it started."""

import os
import subprocess
import sys

import pytest

from agsam_tune.progress.memory import memory_of_tree

CHILD = "held = bytearray(b'x') * 300_000_000; print(len(held), flush=True); input()"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_children_count() -> None:
    before = memory_of_tree(os.getpid())
    assert before is not None
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin and child.stdout
    child.stdout.readline()
    during = memory_of_tree(os.getpid())
    child.communicate("\n")
    assert during is not None
    assert 290e6 < during - before < 400e6


def test_nobody_says() -> None:
    assert memory_of_tree(2**30) is None
