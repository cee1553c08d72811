"""A plan in words and as a table.

In: a `StudyPlan`. Out: text, HTML. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from agsam_tune.planning.detectable import DIFFERENCES, LensForecast
from agsam_tune.planning.pilot import Pilot
from agsam_tune.planning.study_plan import StudyPlan
from agsam_tune.planning.words import hours, of_a_trial, rounded_duration
from agsam_tune.words import percentage_points, significant

# Stands where no number of replicates that was tried would do.
_NONE = "–"


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
        return "\n".join([short(plan), *_looks(plan)])  # it is where it was asked for
    lines = [short(plan), "", *_table(_rows(plan)), "", *_means(plan), *_looks(plan), ""]
    lines += [*_pilot(plan), *plan.unlike]
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
    rest = [*_means(plan), *_looks(plan)] if plan.trials else []
    last = [*plan.unlike, *([] if plan.elsewhere is None else [f"{plan.elsewhere}."])]
    found = ""
    if plan.trials and plan.pilot is not None:
        first, *notes = _pilot_words(plan.pilot, plan)
        found = _html_lines([first]) + _html_table(_pilot_rows(plan.pilot, plan))
        last = [*notes, *last]
    elif plan.trials:
        rest += _pilot(plan)
    first = f"<p><b>{html.escape(plan.study)}</b>: {html.escape(short(plan))}</p>"
    return first + _html_table(_rows(plan)) + _html_lines(rest) + found + _html_lines(last)


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rest
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _html_lines(lines: Sequence[str]) -> str:
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines)


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


def _looks(plan: StudyPlan) -> list[str]:
    """What --until-decided would add."""
    return [
        f"While the claim is undecided, --until-decided adds {look.trials:,} trials in "
        f"{look.packs:,} packs up to {look.replicates} replicates"
        + ("." if look.hours is None else f": {hours(look.hours)} {_unit(plan)}-hours.")
        for look in plan.looks
    ]


def _pilot(plan: StudyPlan) -> list[str]:
    """What the study can find."""
    if plan.pilot is None:
        return [f"What the study can find is not known: {plan.no_pilot}."]
    first, *notes = _pilot_words(plan.pilot, plan)
    return [first, "", *_table(_pilot_rows(plan.pilot, plan)), "", *notes]


def _pilot_words(pilot: Pilot, plan: StudyPlan) -> list[str]:
    lines = [
        f"From a pilot of {pilot.trials:,} trials in {pilot.replicates} replicates: what is found "
        "with a probability of 80 %, as a difference in score and in regret both, and how many "
        "replicates a difference of a given size needs.",
    ]
    known = [size for lens in pilot.lenses for size in (*lens.needed, lens.equal) if size]
    most = plan.looks[-1].replicates if plan.looks else plan.replicates
    if any(size > most for size in known):
        lines.append(f"For more than {most} replicates: --set analysis.max_replicates=…")
    lines += [f"{lens.lens}: {lens.reason}." for lens in pilot.lenses if lens.reason]
    return lines


def _pilot_rows(pilot: Pilot, plan: StudyPlan) -> list[list[str]]:
    looks = [plan.replicates, *(look.replicates for look in plan.looks)]
    sizes = [f"{significant(100 * difference)}" for difference in DIFFERENCES]
    head = ["lens", "margin", *(f"found at {size}" for size in looks)]
    head += [*(f"needed for {size}" for size in sizes), "to show none"]
    return [head, *(_lens_row(lens) for lens in pilot.lenses if lens.margin is not None)]


def _lens_row(lens: LensForecast) -> list[str]:
    smallest = [percentage_points(found) if found <= 1 else _NONE for found in lens.smallest]
    needed = [str(size or _NONE) for size in (*lens.needed, lens.equal)]
    return [lens.lens, percentage_points(lens.margin or 0.0), *smallest, *needed]


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
