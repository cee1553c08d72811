"""All that `agsam-tune bench` measures.

In: which parts, how many rounds. Out: one dictionary of plain numbers, ready for JSON. Must not
import torch, Ray or Optuna at once: the parts do, where they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agsam_tune.bench.machine import machine, versions
from agsam_tune.bench.results import with_ratios
from agsam_tune.bench.steps import PROBLEMS, measure
from agsam_tune.errors import UsageError

# Steps of training, one core; then what else there is to measure, on all of them.
PARTS = (*PROBLEMS, "start_up", "end_to_end", "report")


def run_bench(
    parts: Sequence[str] = PARTS,
    *,
    rounds: int = 7,
    seconds: float = 0.5,
    trials: int = 1024,
    usual_trials: int = 16,
    report_sizes: Sequence[int] = (1_000, 10_000, 100_000),
    echo: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure the engine against its peers, side by side, and what surrounds it.

    Args:
        parts: some of `PARTS`.
        rounds: how often each contender makes steps, in turn with the others.
        seconds: core seconds of a measurement of steps, at least.
        trials: of the study that is run from end to end.
        usual_trials: that the usual stack makes.
        report_sizes: numbers of trials that a report is made of.
        echo: told what is measured.

    Returns:
        machine, versions, rounds, problems, start_up, end_to_end, report and targets; what is
        not among the parts is empty.

    Raises:
        UsageError: a part is not known, or there are no rounds.
        AgsamTuneError: what was to be measured failed.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown or rounds < 1:
        what = f"part {unknown[0]!r}" if unknown else f"rounds = {rounds}"
        msg = f"bench: {what}; allowed: parts {', '.join(PARTS)}, and rounds of 1 or more"
        raise UsageError(msg)
    found: dict[str, Any] = {"machine": machine(), "versions": versions(), "rounds": rounds}
    found["problems"] = {
        name: measure(name, sizes, rounds=rounds, seconds=seconds, echo=echo)
        for name, sizes in PROBLEMS.items()
        if name in parts
    }
    found["start_up"] = {}
    if "start_up" in parts:
        from agsam_tune.bench.start_up import start_up

        echo("start-up")
        found["start_up"] = start_up()
    found["end_to_end"] = {}
    if "end_to_end" in parts:
        from agsam_tune.bench.end_to_end import end_to_end

        found["end_to_end"] = end_to_end(trials=trials, usual_trials=usual_trials, echo=echo)
    found["report"] = []
    if "report" in parts:
        from agsam_tune.bench.report_time import report_times

        found["report"] = report_times(report_sizes, echo)
    return with_ratios(found)
