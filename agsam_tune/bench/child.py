"""One contender in a process of its own, on one core: `python -m agsam_tune.bench.child`.

In: arguments PROBLEM CONTENDER ROWS…, then on standard input lines of ROWS and a number of
seconds. Out: a line of JSON with what the problem is, or why there is no such contender; then
one for each line: core seconds per step and model. A process of its own has its own allocator,
threads and compiled code, as a user's has. Must not import Ray or Optuna.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

from agsam_tune.bench.machine import not_installed
from agsam_tune.bench.product import PRODUCT, products


def main() -> None:
    """Answer until standard input ends."""
    name, contender, *rows = sys.argv[1:]
    # The last core: the first has most of what else a machine does.
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        facts, works = _works(name, contender, rows)
        for work in works.values():
            next(work)  # compiles, and touches all memory
    except ImportError as error:
        _say({"missing": not_installed(error.name)})
        return
    _say(facts)
    for line in sys.stdin:
        number, seconds = line.split()
        _say({"seconds": _measured(works[number], float(seconds))})


def _measured(work: Iterator[int], wanted: float) -> float:
    """Core seconds of one unit of work, over at least `wanted` seconds.

    The time of all the process's threads counts, so that none of them works for nothing.
    """
    started, done, used = time.process_time(), 0, 0.0
    while not done or used < wanted:
        done += next(work)
        used = time.process_time() - started
    return used / done


def _works(
    name: str, contender: str, rows: list[str]
) -> tuple[dict[str, object], dict[str, Iterator[int]]]:
    """What the problem is, and endless work for each number of models at once.

    The work yields how much was done: steps of a model, or products.
    """
    import torch

    from agsam_tune.bench.contenders import CONTENDERS
    from agsam_tune.bench.problems import problem

    # As the engine has it, for those too that are not the engine.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    given = problem(name)
    facts: dict[str, object] = {
        "parameters": given.parameters,
        "batch_size": given.training.batch_size,
    }
    if contender == PRODUCT:
        return facts, dict.fromkeys(rows, products())
    epochs = {number: CONTENDERS[contender](given, int(number)) for number in rows}
    return facts, {number: _steps(each) for number, each in epochs.items()}


def _steps(epochs: Iterator[tuple[int, list[float]]]) -> Iterator[int]:
    return (steps for steps, _ in epochs)


def _say(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
