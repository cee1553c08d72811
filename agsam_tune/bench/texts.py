"""What was measured, as tables.

In: the measurements with their ratios. Out: texts. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NAMES = {
    "pack": "agsam-tune, {rows} at once",
    "jax": "JAX, {rows} at once",
    "plain": "PyTorch, a plain loop",
    "pytorch-optimizer": "pytorch-optimizer's GSAM",
}
MODELS = {"moons": "moons, perceptron", "digits": "digits, CNN", "mnist": "MNIST, the paper's CNN"}
_TARGETS = {
    "moons.times_pytorch-optimizer": "moons: times pytorch-optimizer's GSAM, one core",
    "moons.times_jax": "moons: times JAX at its best, one core",
    "moons.share": "moons: share of the matrix-product rate",
    "mnist.times_plain": "MNIST: times PyTorch's default layout, one core",
    "mnist.times_jax": "MNIST: times JAX at its best, one core",
    "gpu.times_one_at_a_time": "MNIST: 64 at once on a GPU, times one at a time",
    "end_to_end.times_net": "moons: times the usual stack, all cores, net",
    "end_to_end.overhead": "a study's core time that is not training",
    "report.report_s": "report on 10,000 trials: seconds",
    "report.page_mb": "report on 10,000 trials: MB",
    "start_up.seconds": "start-up: seconds",
}
_HEAD = ("step and model", "µs", "least … most", "× p.-opt.", "× JAX", "of rate")
_VERDICTS = {True: "reached", False: "missed", None: "not known"}

Row = Sequence[str]


def label(contender: Mapping[str, Any]) -> str:
    """What people read of a contender."""
    return NAMES[contender["name"]].format(rows=contender["rows"])


def table(found: Mapping[str, Any]) -> str:
    """All that was measured, for a screen."""
    return "\n".join(_lines(found, _on_screen))


def markdown(found: Mapping[str, Any]) -> str:
    """The same as a part of a Markdown page."""
    return "\n".join(_lines(found, _in_markdown))


def _lines(found: Mapping[str, Any], drawn: Any) -> Iterator[str]:
    for title, rows, notes in _tables(found):
        yield from drawn(title, rows)
        yield from notes
        yield ""
    yield from _where(found)


def _tables(found: Mapping[str, Any]) -> Iterator[tuple[str, list[Row], list[str]]]:
    """Title, rows with the head first, and notes of each table."""
    for name, measured in found["problems"].items():
        rate = measured["flop_per_second"] / 1e9
        title = f"{MODELS[name]}, one core (matrix products: {rate:.0f} GFLOP/s)"
        rows = [_HEAD, *(_contender(each) for each in measured["contenders"])]
        missing = measured["missing"].items()
        notes = [f"{NAMES[kind].format(rows='several')}: {why}" for kind, why in missing]
        yield title, rows, ["", *notes] if notes else []
    if found["end_to_end"]:
        yield _end_to_end(found["end_to_end"])
    if found["report"]:
        rows = [("trials", "study, s", "ms a trial", "report, s", "page, MB")]
        rows += [_report(each) for each in found["report"]]
        yield "Study in one process that trains next to nothing, and its report", rows, []
    if found["start_up"]:
        rows = [("agsam-tune", "s", "least … most")]
        for name, each in found["start_up"].items():
            spread = f"{each['min']:.2f} … {each['max']:.2f}"
            rows.append((name, f"{each['median']:.2f}", spread))
        yield "Start-up", rows, []
    yield "Targets", [("what", "wanted", "reached", ""), *map(_target, found["targets"])], []


def _contender(each: Mapping[str, Any]) -> Row:
    return (
        label(each),
        _number(each["median"]),
        f"{_number(each['min'])} … {_number(each['max'])}",
        _ratio(each["times_pytorch-optimizer"]),
        _ratio(each["times_jax"]),
        _percent(each["share"]),
    )


def _end_to_end(whole: Mapping[str, Any]) -> tuple[str, list[Row], list[str]]:
    rows: list[Row] = [("moons", "trials", "wall, s", "start-up, s", "an hour", "an hour, net")]
    notes = []
    for key, name in (("ours", "agsam-tune run"), ("usual", "Ray Tune, Optuna, pytorch-optimizer")):
        each = whole[key]
        if "missing" in each:
            notes.append(f"{name}: {each['missing']}")
            continue
        times = (f"{each['wall_s']:.0f}", f"{each['start_up_s']:.1f}")
        rates = (f"{each['per_hour']:,.0f}", f"{each['per_hour_net']:,.0f}")
        rows.append((name, f"{each['trials']:,}", *times, *rates))
    if whole["times"] is not None:
        rows.append(("ratio", "", "", "", _ratio(whole["times"]), _ratio(whole["times_net"])))
    notes.append(f"Not training, of agsam-tune's net core time: {_percent(whole['overhead'])}")
    return f"A study on {whole['cores']} cores; net: without start-up", rows, ["", *notes]


def _report(each: Mapping[str, Any]) -> Row:
    a_trial = f"{1000 * each['run_s'] / each['trials']:.1f}"
    numbers = (f"{each['report_s']:.1f}", f"{each['page_mb']:.1f}")
    return (f"{each['trials']:,}", f"{each['run_s']:.1f}", a_trial, *numbers)


def _target(each: Mapping[str, Any]) -> Row:
    shown = _percent if each["what"].endswith(("share", "overhead")) else _plain
    sign = "≥" if each["is"] == "least" else "≤"
    what, wanted = _TARGETS[each["what"]], f"{sign} {shown(each['wanted'])}"
    return what, wanted, shown(each["reached"]), _VERDICTS[each["met"]]


def _where(found: Mapping[str, Any]) -> Iterator[str]:
    facts = found["machine"]
    known = ", ".join(f"{name} {value}" for name, value in found["versions"].items() if value)
    gpus = f", {', '.join(facts['gpus'])}" if facts["gpus"] else ""
    load = "" if facts["load"] is None else f"; load before: {facts['load']:.1f}"
    yield f"{facts['cpu']}, {facts['cores']} cores{gpus}{load}; one thread a contender."
    yield f"{known}."
    rounds = found["rounds"]
    yield f"Medians of {rounds} round{'' if rounds == 1 else 's'} in turn; core time."


def _on_screen(title: str, rows: list[Row]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield title
    yield ""
    for row in rows:
        first, *rest = (
            f"{cell:<{width}}" if number == 0 else f"{cell:>{width}}"
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *rest]).rstrip()


def _in_markdown(title: str, rows: list[Row]) -> Iterator[str]:
    head, *rest = rows
    yield f"**{title}**"
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"| --- |{' ---: |' * (len(head) - 1)}"
    for row in rest:
        yield f"| {' | '.join(row)} |"


def _number(microseconds: float) -> str:
    return f"{microseconds:,.0f}" if microseconds >= 100 else f"{microseconds:.1f}"


def _ratio(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}" if ratio < 3 else f"{ratio:.1f}"


def _plain(number: float | None) -> str:
    return "–" if number is None else f"{number:.3g}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
