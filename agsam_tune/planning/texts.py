"""A plan in words and as a table.

In: a `StudyPlan`. Out: text, HTML. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from agsam_tune.planning.study_plan import StudyPlan
from agsam_tune.planning.words import hours, of_a_trial, rounded_duration
from agsam_tune.words import MORE_THAN_ANY, percentage_points


def short(plan: StudyPlan) -> str:
    """One line: what `run` says before it begins."""
    if not plan.trials:
        return f"{plan.stored:,} trials are stored; nothing is left to run"
    packs = sum(phase.packs for phase in plan.phases)
    left = f" left of {plan.trials + plan.stored:,}" if plan.stored else ""
    return f"{plan.trials:,} trials{left} in {packs:,} packs of up to {plan.rows}, {_times(plan)}"


def described(plan: StudyPlan) -> str:
    """The whole plan."""
    if not plan.trials:
        return short(plan)  # of this very run, so it is where it was asked for
    lines = [short(plan), "", *_table(_rows(plan)), "", *_means(plan), "", *_findings(plan)]
    if plan.elsewhere is not None:
        lines += ["", f"{plan.elsewhere}."]
    return "\n".join(lines)


def _means(plan: StudyPlan) -> list[str]:
    """How packs are computed, and what that takes."""
    if plan.way is None:
        return []
    each = ", ".join(
        f"{name} {of_a_trial(seconds)}" for name, seconds in plan.seconds_per_trial.items()
    )
    held = []
    if plan.memory_mb is not None:
        held.append(f"a worker takes about {plan.memory_mb:,.0f} MB of memory")
    if plan.gpu_memory_mb is not None:
        held.append(f"a pack {plan.gpu_memory_mb:,.0f} MB of its GPU's")
    how = f"Packs are computed in the way {plan.way!r} on the {plan.device.upper()}"
    return [
        f"A trial takes, in {_unit(plan)}-time: {each}.",
        f"{how}{'; ' if held else ''}{', '.join(held)}.",
    ]


def as_html(plan: StudyPlan) -> str:
    """The plan for a notebook."""
    head, *rows = _rows(plan)
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    rest = [] if not plan.trials else [*_means(plan), *_findings(plan)]
    rest += [] if plan.elsewhere is None else [f"{plan.elsewhere}."]
    pilot = "".join(f"<p>{html.escape(line)}</p>" for line in rest)
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


def _findings(plan: StudyPlan) -> list[str]:
    """What the study can find, and what its comparison suffers from."""
    return [*_pilot(plan), *plan.unlike]


def _pilot(plan: StudyPlan) -> list[str]:
    if plan.pilot is None:
        return [f"What the study can find is not known: {plan.no_pilot}."]
    pilot = plan.pilot
    found, margin = percentage_points(pilot.smallest), percentage_points(pilot.margin)
    found = found if found == MORE_THAN_ANY else f"about {found}"
    able = "It can show" if pilot.half_width < pilot.margin else "It can hardly show"
    return [
        f"From a pilot of {pilot.trials} trials: what the study finds with a probability of 80 %, "
        f"as a difference in lost accuracy at the same settings, is {found}.",
        f"{able} the two to be equal within the margin of {margin}.",
        *([] if pilot.advice is None else [pilot.advice]),
        "Around each one's own best, and at the same radius, intervals are often wider; the report "
        "says what these found.",
    ]


def _times(plan: StudyPlan) -> str:
    """How long it takes, and what that costs."""
    if plan.wall is None or plan.hours is None:
        return f"how long they take is not known: {plan.no_times}"
    least, _, most = plan.wall
    low, high = rounded_duration(least), rounded_duration(most)
    between = f"about {low}" if low == high else f"{low} to {high}"
    without = "" if plan.with_sharpness else " and what [sharpness] takes"
    return f"{plan.places} at once: {between}{without}, {hours(plan.hours)} {_unit(plan)}-hours"


def _unit(plan: StudyPlan) -> str:
    return "GPU" if plan.device == "cuda" else "core"
