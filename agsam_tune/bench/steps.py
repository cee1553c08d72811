"""Measures the contenders side by side: each kind in its own process, one after another, in rounds.

In: a problem, how many rounds. Out: microseconds per step and model. Must not import torch,
Ray or Optuna; the contenders' processes do.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import IO, Any

from agsam_tune.bench.product import PRODUCT, PRODUCT_FLOP
from agsam_tune.bench.program import module
from agsam_tune.bench.spread import spread
from agsam_tune.errors import AgsamTuneError

# Libraries read these when they are loaded; one thread each.
_ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many models at once are measured: of the engine, and of JAX."""

    pack: tuple[int, ...]
    jax: tuple[int, ...]


PROBLEMS = {
    "moons": Sizes(pack=(1, 8, 32, 64, 128, 256), jax=(1, 8, 32, 128)),
    "digits": Sizes(pack=(1, 8), jax=(1, 4)),
    "mnist": Sizes(pack=(1, 8), jax=(1, 4)),
}


def measure(
    name: str,
    sizes: Sizes,
    *,
    rounds: int,
    seconds: float,
    echo: Callable[[str], None],
) -> dict[str, Any]:
    """Measure a problem's contenders, each once a round, and the machine's matrix products.

    Returns:
        parameters and batch_size of the problem; flop_per_second of a product of two 1024×1024
        float32 matrices; of each contender its name, its models at once and the microseconds
        of a step and a model, their median, least and most; missing, why there are none of a
        contender.
    """
    alone = dict.fromkeys((PRODUCT, "pytorch-optimizer", "plain"), (1,))
    wanted = {**alone, "jax": sizes.jax, "pack": sizes.pack}
    times: dict[tuple[str, int], list[float]] = {
        (kind, number): [] for kind, rows in wanted.items() for number in rows
    }
    facts: dict[str, Any] = {}
    missing: dict[str, str] = {}
    echo(f"{name}: starting the contenders")
    with _children(name, wanted) as children:
        for kind, child in children.items():
            answer = child.answer()
            if "missing" in answer:
                missing[kind] = answer["missing"]
            else:
                facts = answer
        for number in range(rounds):
            echo(f"{name}: round {number + 1} of {rounds}")
            for (kind, rows), found in times.items():
                if kind not in missing:
                    found.append(children[kind].measure(rows, seconds))
    products = times.pop((PRODUCT, 1))
    return {
        **facts,
        "flop_per_second": PRODUCT_FLOP / median(products),
        "contenders": [
            {"name": kind, "rows": rows, **spread([1e6 * each for each in found])}
            for (kind, rows), found in times.items()
            if found
        ],
        "missing": missing,
    }


class _Child:
    """A contender's process, which waits while others are measured."""

    def __init__(self, name: str, contender: str, rows: Sequence[int]) -> None:
        self._what = f"{contender} on {name}"
        self._process = subprocess.Popen(  # noqa: S603
            module("agsam_tune.bench.child", name, contender, *map(str, rows)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **_ONE_THREAD},
        )

    def answer(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if not line:
            msg = f"bench: {self._what} ended with exit code {self._process.wait()}"
            raise AgsamTuneError(msg)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def measure(self, rows: int, seconds: float) -> float:
        given = _pipe(self._process.stdin)
        given.write(f"{rows} {seconds}\n")
        given.flush()
        return float(self.answer()["seconds"])

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise ValueError("the process has no pipe")
    return pipe


@contextmanager
def _children(name: str, wanted: Mapping[str, Sequence[int]]) -> Iterator[dict[str, _Child]]:
    children: dict[str, _Child] = {}
    try:
        for kind, rows in wanted.items():
            children[kind] = _Child(name, kind, rows)
        yield children
    finally:
        for child in children.values():
            child.end()
