"""A Ray cluster of several nodes on this machine, in a process of its own.

Run as a program: prints the address, then obeys lines on standard input: `add CPUS`, `remove N`
(kill −9 of the node's processes), `replace N` (the same, and another comes), `head` (kill −9 of
the head's). The end of the input ends it. Used by tests as a context manager.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Nodes:
    """The cluster as the tests see it."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self._process = process
        self.pid = process.pid
        self.address = address

    def say(self, order: str) -> str:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def nodes(*cpus: int) -> Iterator[Nodes]:
    """A head without cores and nodes with so many each."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.run.cluster", *map(str, cpus)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"},
    )
    assert process.stdin and process.stdout
    try:
        address = process.stdout.readline().strip()
        assert address, "the cluster did not start"
        yield Nodes(process, address)
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def _main() -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    added = [cluster.add_node(num_cpus=int(n)) for n in sys.argv[1:]]
    print(cluster.address, flush=True)  # noqa: T201
    for line in sys.stdin:
        order, _, number = line.strip().partition(" ")
        if order == "add":
            added.append(cluster.add_node(num_cpus=int(number)))
        elif order == "remove":
            cluster.remove_node(added[int(number)], allow_graceful=False)
        elif order == "replace":
            cluster.remove_node(added[int(number)], allow_graceful=False)
            added[int(number)] = cluster.add_node(num_cpus=1)
        elif order == "head":
            cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        print("done", flush=True)  # noqa: T201
    cluster.shutdown()


if __name__ == "__main__":
    _main()
