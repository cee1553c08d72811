"""A plan in words and as a table.

In: a `StudyPlan`. Out: text, HTML. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from agsam_tune.planning.study_plan import StudyPlan


def short(plan: StudyPlan) -> str:
    """One line: what `run` says before it begins."""
    if not plan.trials:
        return f"{plan.stored:,} trials are stored; nothing is left to run"
    packs = sum(phase.packs for phase in plan.phases)
    left = f" left of {plan.trials + plan.stored:,}" if plan.stored else ""
    return (
        f"{plan.trials:,} trials{left} in {packs:,} packs of up to {plan.rows}, "
        f"{plan.places} at once: {_between(plan)}, {_hours(plan)}"
    )


def described(plan: StudyPlan) -> str:
    """The whole plan."""
    if not plan.trials:
        return short(plan)
    lines = [short(plan), "", *_table(_rows(plan)), ""]
    each = ", ".join(
        f"{name} {_milliseconds(seconds)}" for name, seconds in plan.seconds_per_trial.items()
    )
    lines += [
        f"A trial takes, in {_unit(plan)}-time: {each}.",
        f"Packs are computed in the way {plan.way!r} on the {plan.device.upper()}; "
        f"a worker takes about {plan.memory_mb:,.0f} MB of memory.",
        "",
        *_pilot(plan),
    ]
    return "\n".join(lines)


def as_html(plan: StudyPlan) -> str:
    """The plan for a notebook."""
    head, *rows = _rows(plan)
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    pilot = "".join(f"<p>{html.escape(line)}</p>" for line in _pilot(plan))
    first = f"<p><b>{html.escape(plan.study)}</b>: {html.escape(short(plan))}</p>"
    return f"{first}<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>{pilot}"


def _rows(plan: StudyPlan) -> list[list[str]]:
    rows = [["phase", "optimizer", "points", "trials", "packs"]]
    rows += [
        [p.phase, p.optimizer, f"{p.points:,}", f"{p.trials:,}", f"{p.packs:,}"]
        for p in plan.phases
    ]
    packs = sum(phase.packs for phase in plan.phases)
    return [*rows, ["all", "", "", f"{plan.trials:,}", f"{packs:,}"]]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if number < 2 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "  ".join("─" * width for width in widths), *lines[1:]]


def _pilot(plan: StudyPlan) -> list[str]:
    if plan.pilot is None:
        return [f"What the study can find is not known: {plan.no_pilot}."]
    pilot = plan.pilot
    able = "It can show" if pilot.half_width < pilot.margin else "It can hardly show"
    return [
        f"From a pilot of {pilot.trials} trials: with a probability of 80 % the study finds a "
        f"difference in lost accuracy, at the same settings, of about {_points(pilot.smallest)}.",
        f"{able} the two to be equal within the margin of {_points(pilot.margin)}.",
        *([] if pilot.advice is None else [f"To find {_points(pilot.wanted)}: {pilot.advice}."]),
    ]


def _points(fraction: float) -> str:
    return f"{100 * fraction:.2g} points"


def _between(plan: StudyPlan) -> str:
    least, _, most = plan.wall
    low, high = _duration(least), _duration(most)
    return f"about {low}" if low == high else f"{low} to {high}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(math.ceil(seconds / 5) * 5, 5)} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.1f} min" if minutes < 10 else f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def _hours(plan: StudyPlan) -> str:
    return f"{plan.core_hours:.2g} {_unit(plan)}-hours"


def _unit(plan: StudyPlan) -> str:
    return "GPU" if plan.device == "cuda" else "core"


def _milliseconds(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s"
