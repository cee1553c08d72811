"""Ratios and targets of what was measured.

In: the measured times. Out: the same with ratios and targets (docs/design.md, Speed). Must not
import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PEERS = ("jax", "plain", "pytorch-optimizer")
# Products of a weight and an example in a step of two forward and backward passes: 6, each a
# multiplication and an addition.
_FLOP_PER_WEIGHT = 12

# A problem, the ratio in which the best pack is compared, and what is wanted of it at least.
_STEPS = (
    ("moons", "times_pytorch-optimizer", 25.0),
    ("moons", "times_jax", 1.0),
    ("moons", "share", 0.5),
    ("mnist", "times_plain", 1.8),
    ("mnist", "times_jax", 1.0),
)
_END_TO_END, _OVERHEAD = 20.0, 0.05
# The numbers of trials that two targets are of. A smaller study's share is larger, for it ends
# more often: it can reach the target, not miss it.
_STUDY_TRIALS, _REPORT_TRIALS = 10_000, 10_000
_REPORT_S, _PAGE_MB, _START_UP_S = 20.0, 8.0, 0.5


def with_ratios(found: Mapping[str, Any]) -> dict[str, Any]:
    """The measurements, with how many times faster each contender is than the peers.

    A ratio is of medians, to a peer's best, and None where there is no such peer. `share` is
    the part of the machine's rate of matrix products that a contender's arithmetic, 12
    floating-point operations for each weight, example, step and model, reaches. The weights of
    a convolution would count once for each place, so it is given for the perceptron alone.

    Returns:
        the same, and `targets`: what, wanted, whether that is the least or the most, what was
        reached (None where it was not measured), and whether it was met (None where that is
        not known).
    """
    problems = {name: _compared(name, each) for name, each in found["problems"].items()}
    compared = {**found, "problems": problems}
    return {**compared, "targets": targets(compared)}


def targets(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every target, in the order of docs/design.md, with what was reached of it."""
    return [*_of_steps(found["problems"]), _gpu(), *_of_the_rest(found)]


def _compared(name: str, measured: Mapping[str, Any]) -> dict[str, Any]:
    best = {peer: _best(measured["contenders"], peer) for peer in _PEERS}
    flop = _FLOP_PER_WEIGHT * measured["parameters"] * measured["batch_size"]
    contenders = []
    for each in measured["contenders"]:
        ratios = {f"times_{peer}": least and least / each["median"] for peer, least in best.items()}
        share = flop / (each["median"] * 1e-6) / measured["flop_per_second"]
        contenders.append({**each, **ratios, "share": share if name == "moons" else None})
    return {**measured, "contenders": contenders}


def _best(contenders: list[dict[str, Any]], kind: str) -> float | None:
    """The least microseconds of a contender at any number of models at once."""
    return min((each["median"] for each in contenders if each["name"] == kind), default=None)


def _of_steps(problems: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, key, wanted in _STEPS:
        contenders = problems[name]["contenders"] if name in problems else []
        ratios = [each[key] for each in contenders if each["name"] == "pack"]
        reached = max((ratio for ratio in ratios if ratio is not None), default=None)
        yield _at_least(f"{name}.{key}", wanted, reached)


def _gpu() -> dict[str, Any]:
    # Steps are measured on one core; the target is shown all the same, as open.
    return _at_least("gpu.times_one_at_a_time", 10.0, None)


def _of_the_rest(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    whole = found["end_to_end"]
    yield _at_least("end_to_end.times_net", _END_TO_END, whole.get("times_net"))
    overhead = _at_most("end_to_end.overhead", _OVERHEAD, whole.get("overhead"))
    if whole and not overhead["met"] and whole["ours"]["trials"] < _STUDY_TRIALS:
        overhead["met"] = None
    yield overhead
    # Sizes are powers of two near to what was asked for.
    near = [
        each
        for each in found["report"]
        if 0.8 * _REPORT_TRIALS <= each["trials"] <= 1.25 * _REPORT_TRIALS
    ]
    yield _at_most("report.report_s", _REPORT_S, near[0]["report_s"] if near else None)
    yield _at_most("report.page_mb", _PAGE_MB, near[0]["page_mb"] if near else None)
    slowest = max((each["median"] for each in found["start_up"].values()), default=None)
    yield _at_most("start_up.seconds", _START_UP_S, slowest)


def _at_least(what: str, wanted: float, reached: float | None) -> dict[str, Any]:
    met = None if reached is None else reached >= wanted
    return {"what": what, "wanted": wanted, "is": "least", "reached": reached, "met": met}


def _at_most(what: str, wanted: float, reached: float | None) -> dict[str, Any]:
    met = None if reached is None else reached <= wanted
    return {"what": what, "wanted": wanted, "is": "most", "reached": reached, "met": met}
