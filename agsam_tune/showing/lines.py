"""A run's facts as lines for a terminal.

In: `RunFacts`. Out: text. Must not import torch, Ray, Optuna or pandas.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from agsam_tune.analysis.record import Comparison, Metric, Summary
from agsam_tune.folder import RunFolder
from agsam_tune.paths import command_word
from agsam_tune.report import text
from agsam_tune.report.looks import look_words
from agsam_tune.showing.facts import Progress, RunFacts

SHOWN = ("score", "regret", "tuned")
"""Metrics of an optimizer that are shown; the report has all."""


def shown(facts: RunFacts) -> str:
    """How far a run is, what was found, the verdict, and where its report is."""
    total = facts.total
    ended = f"{text.count(total.diverged)} diverged, {text.count(total.collapsed)} collapsed"
    if total.raised:
        ended += f", {text.count(total.raised)} raised an error"
    head = f"{facts.study} ({facts.folder}): {_trials(facts)} stored; {_state(facts)}"
    parts = [f"{head}\n{ended} (collapsed: diverged, or no better than trivial)", _counted(facts)]
    if facts.summary is not None:
        parts += _estimated(facts.summary)
    parts.append("\n".join(_findings(facts)))
    return "\n\n".join(parts)


def listing(runs: Sequence[RunFacts | tuple[Path, str]]) -> str:
    """One line a run; of one that cannot be read, why."""
    rows = [("run", "study", "trials", "state", "verdict")]
    for one in runs:
        if isinstance(one, RunFacts):
            name = str(one.folder)
            verdict = one.verdict or text.DASH
            rows.append((name, one.study, _trials(one), one.progress.value, verdict))
        else:
            rows.append((str(one[0]), text.DASH, text.DASH, "cannot be read", one[1]))
    return _table(rows)


def _left_to_report(facts: RunFacts) -> str:
    return f"agsam-tune report {command_word(facts.folder)} makes the estimates"


def _trials(facts: RunFacts) -> str:
    stored = text.count(facts.total.trials)
    if facts.n_planned is None:
        return f"{stored} trials"
    return f"{stored} of {text.count(facts.n_planned)} trials"


def _state(facts: RunFacts) -> str:
    driver, when = facts.driver, _time(facts.since)
    if facts.progress is Progress.RUNNING and driver is not None:
        words = f"running since {when} by process {driver.pid} on host {driver.host}"
        if not driver.is_here:
            words += ", as its lock says"
        return words + _last(facts)
    if facts.progress is Progress.STOPPED:
        gone = f" (process {driver.pid} on host {driver.host} is gone)" if driver else ""
        return f"stopped{gone}{_last(facts)}; the same command carries on"
    return f"{facts.progress.value} {when}"


def _last(facts: RunFacts) -> str:
    if facts.last_stored is None or not facts.total.trials:
        return ""
    return f", the last trial {_time(facts.last_stored)}"


def _time(stamp: str | None) -> str:
    try:
        moment = datetime.fromisoformat(str(stamp)).astimezone(UTC)
    except ValueError:
        return text.DASH
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _counted(facts: RunFacts) -> str:
    """Trials by optimizer and phase, those that are planned beside them where some are missing."""
    planned = facts.planned or {}
    phases = list(dict.fromkeys(phase for _, phase in (*planned, *facts.counts)))
    rows = [("optimizer", *phases)]
    for name in facts.optimizers:
        cells = []
        for key in ((name, phase) for phase in phases):
            stored = facts.counts[key].trials if key in facts.counts else 0
            whole = planned.get(key, stored)
            of = f" of {text.count(whole)}" if stored != whole else ""
            cells.append(f"{text.count(stored)}{of}" if whole or stored else text.DASH)
        rows.append((name, *cells))
    return _table(rows)


def _estimated(summary: Summary) -> Iterator[str]:
    """Comparisons with their verdicts, the main numbers of each optimizer, fixed points."""
    pair = f"{summary.candidate} − {summary.baseline}"
    compared = [
        (
            row.lens,
            row.metric,
            *_number(summary, row, row.estimate, sign=True),
            text.ends(row.verdict_low, row.verdict_high, _unit(summary, row), sign=True)
            or text.DASH,
            row.verdict + (f" ({row.reason})" if row.reason else ""),
        )
        for row in summary.comparisons
        if row.verdict is not None
    ]
    fixed = [
        (
            point.optimizer,
            text.setting(point.hyperparameters) or text.DASH,
            row.metric,
            *_number(summary, row, row.value),
        )
        for point in summary.fixed
        for row in point.metrics
    ]
    tables: list[tuple[tuple[str, ...], Sequence[Sequence[str]]]] = [
        (("lens", "metric", pair, "unit", "verdict's interval", "verdict"), compared),
        (("lens", "metric", "unit", *summary.optimizers), _numbers(summary)),
        (("optimizer", "fixed setting", "metric", "estimate", "unit"), fixed),
    ]
    yield from (_table([head, *rows]) for head, rows in tables if rows)
    said = f"In brackets: {100 * summary.design.confidence:g} % intervals"
    if compared:
        said += "; the verdict's is wider where there are two fair lenses or several looks"
    yield f"{said}."


def _numbers(summary: Summary) -> list[tuple[str, ...]]:
    """A row for each number in a lens, a column for each optimizer."""
    shown = [row for own in summary.optimizers.values() for row in own.metrics]
    rows = {(row.lens, row.metric): _unit(summary, row).name for row in shown}
    return [
        (lens, metric, unit, *(_of_optimizer(summary, n, lens, metric) for n in summary.optimizers))
        for (lens, metric), unit in rows.items()
        if metric in SHOWN
    ]


def _of_optimizer(summary: Summary, name: str, lens: str, metric: str) -> str:
    row = summary.metric(name, lens, metric)
    return text.DASH if row is None else _number(summary, row, row.value)[0]


def _number(
    summary: Summary, row: Metric | Comparison, value: float | None, *, sign: bool = False
) -> tuple[str, str]:
    """A number with its interval, and its unit."""
    unit = _unit(summary, row)
    found = text.with_interval(value, row.low, row.high, unit, sign=sign)
    return found, unit.of_difference if sign else unit.name


def _unit(summary: Summary, row: Metric | Comparison) -> text.Unit:
    return text.unit_of(row.metric, summary.design.metric)


def _findings(facts: RunFacts) -> list[str]:
    """The verdict, the look, and the report, or how to make them."""
    report, summary = RunFolder(path=facts.folder).report, facts.summary
    if summary is not None:
        where = report if facts.has_report else f"none; {_left_to_report(facts)}"
        look = text.sentence(look_words(summary.design))
        return [summary.claim.text, look, f"Report: {where}"]
    lines = [f"Counted without an analysis: {_left_to_report(facts)}."]
    if facts.has_report:
        lines.append(f"Report of {text.count(facts.summary_trials)} trials: {report}")
    return lines


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
