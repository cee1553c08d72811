"""A run's facts as lines for a terminal.

In: `RunFacts`. Out: text. Must not import torch, Ray, Optuna or pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agsam_tune.folder import RunFolder
from agsam_tune.paths import command_word
from agsam_tune.report import text
from agsam_tune.showing.facts import Progress, RunFacts


def shown(facts: RunFacts) -> str:
    """How far a run is, its table, its verdict, and where its report is."""
    total = facts.total
    ended = f"{text.count(total.diverged)} diverged, {text.count(total.failed)} failed"
    if total.raised:
        ended += f", {text.count(total.raised)} raised an error"
    head = f"{facts.study} ({facts.folder}): {_trials(facts)} stored; {_state(facts)}"
    parts = [f"{head}\n{ended} (failed: diverged, or at chance)"]
    parts.append(_counted(facts) if facts.summary is None else _estimated(facts, facts.summary))
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
    if facts.planned is None:
        return f"{stored} trials"
    return f"{stored} of {text.count(facts.planned)} trials"


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
    """What can be said without an analysis."""
    rows = [("optimizer", "trials", "diverged", "failed")]
    for name, count in facts.counts.items():
        trials, diverged, failed = map(text.count, (count.trials, count.diverged, count.failed))
        rows.append((name, trials, diverged, failed))
    return _table(rows)


def _estimated(facts: RunFacts, summary: Mapping[str, Any]) -> str:
    """The own best settings, what they and the box give, and what fixed settings do."""
    found = {name: facts.estimates(name) for name in facts.counts}
    tables = []
    if any(own["best"] is not None for own in found.values()):
        rows = [("optimizer", "own best setting", "accuracy there (%)", "mean over the box (%)")]
        for name, own in found.items():
            best, mean = _accuracy(own["best_accuracy"]), _accuracy(own["mean_accuracy"])
            rows.append((name, _setting(own["best"]), best, mean))
        tables.append(_table(rows))
    fixed = [(name, point) for name, own in found.items() for point in own["fixed"]]
    if fixed:
        head = ("optimizer", "fixed setting", "accuracy (%)")
        cells = ((n, _setting(p["setting"]), _accuracy(p["accuracy"])) for n, p in fixed)
        tables.append(_table([head, *cells]))
    confidence = 100 * float(summary.get("confidence") or 0.95)
    return "\n\n".join([*tables, f"In brackets: {confidence:g} % intervals."])


def _setting(hyperparameters: Mapping[str, Any] | None) -> str:
    return text.setting(hyperparameters) or text.DASH


def _accuracy(leaf: Mapping[str, Any]) -> str:
    one = text.metric("accuracy")
    ends = text.interval(leaf.get("low"), leaf.get("high"), one)
    return text.number(leaf["value"], one) + (f" ({ends})" if ends else "")


def _findings(facts: RunFacts) -> list[str]:
    """The verdict and the report, or how to make them."""
    report = RunFolder(path=facts.folder).report
    if facts.summary is not None:
        claim = (facts.summary.get("claim") or {}).get("text") or "No claim to judge."
        where = report if facts.has_report else f"none; {_left_to_report(facts)}"
        return [claim, f"Report: {where}"]
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
