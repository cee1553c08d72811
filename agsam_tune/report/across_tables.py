"""Words and tables of several tasks together.

In: the comparison's summary. Out: plain records that the template shows, which escapes every text.
Must not import torch, Ray, Optuna or matplotlib.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agsam_tune.report import text
from agsam_tune.report.tables import Cell, Notes

Summary = Mapping[str, Any]
LENSES = {"rho": "same raw rho", "own_best": "own best", "radius": "same radius"}
METRIC = "regret_sensitivity"

GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        "regret sensitivity",
        "What a mis-set optimizer loses against its own best setting: at a random setting of the "
        "search space (same raw rho), with all hyperparameters off by up to 2, 3 or 10 times (own "
        "best), or at a random length of the ascent step (same radius). In points of accuracy.",
    ),
    (
        "mean over tasks",
        "The plain mean of the tasks' differences. Tasks that were run at the same points count "
        "what these have in common once; seeds of different tasks are independent. The tasks are "
        "those that were run: nothing is said about others.",
    ),
    (
        "normalised score",
        "Accuracy above chance as a share of the best optimizer's in that task: 0 % guesses, "
        "100 % is the best of all at its own best setting.",
    ),
    (
        "hyperparameter sensitivity Φ",
        "The mean over tasks of the best score in each, less the best mean score that one setting "
        "has over all: what is gained by tuning for each task instead of once. Both are chosen on "
        "one half of the seeds and measured on the other, at the settings that all tasks were run "
        "at. (Adkins, Bowling and White, 2024.)",
    ),
    (
        "worth tuning",
        "The fewest hyperparameters that, tuned for the task while the others stay at the best "
        "common setting, come within the margin of tuning all, or reach 95 % of its score; as the "
        "task's fitted surface predicts. 0: the common setting will do.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a table: a heading, a badge, and estimates."""

    label: str
    below: str = ""
    verdict: str = ""
    word: str = ""
    cells: tuple[Cell, ...]
    headline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of estimates with its footnotes; `groups` are (title, lines)."""

    caption: str
    head: tuple[str, ...]
    groups: tuple[tuple[str, tuple[Line, ...]], ...]
    notes: tuple[str, ...]
    badges: bool = False


def verdicts_grid(summary: Summary) -> Grid | None:
    """The claim task by task, with what it rests on, and the mean."""
    if summary["candidate"] is None:
        return None
    notes = Notes()
    lines = []
    for task in summary["tasks"]:
        verdict = str(task["claim"]["verdict"])
        own = task["pair"] == [summary["candidate"], summary["baseline"]]
        found = task["comparisons"] if own else ()
        missing = "" if own and task["compared"] else "nothing mis-set" if own else "another pair"
        lines.append(
            Line(
                label=task["name"],
                below=f"{text.count(task['n_trials'])} trials",
                verdict="none" if missing else verdict,
                word=missing or verdict,
                cells=tuple(_difference(found, lens, notes) for lens in LENSES),
            )
        )
    verdict = str(summary["claim"]["verdict"])
    mean = Line(
        label="mean over tasks",
        below=_left_out(summary),
        verdict=verdict,
        word=verdict,
        cells=tuple(_difference(summary["comparisons"], lens, notes) for lens in LENSES),
        headline=True,
    )
    return Grid(
        caption=f"{summary['candidate']} − {summary['baseline']}: difference in regret "
        "sensitivity (points)",
        head=("task", "claim", *LENSES.values()),
        groups=(("", (*lines, mean)),),
        notes=tuple(notes.texts),
        badges=True,
    )


def performance_grid(summary: Summary) -> Grid:
    """Accuracy at the own best and regret by task and optimizer."""
    notes = Notes()
    keys = ("best_accuracy", *(f"{METRIC}_{lens}" for lens in LENSES))
    groups = []
    for task in summary["tasks"]:
        lines = tuple(
            Line(
                label=name,
                cells=(
                    *(_estimate(own[key], 2, notes) for key in keys),
                    _estimate(own["normalised"]["best_accuracy"], 1, notes),
                    _estimate(own["normalised"][f"{METRIC}_rho"], 1, notes),
                ),
            )
            for name, own in task["optimizers"].items()
        )
        groups.append((f"{task['name']} · chance {100 * task['chance']:.1f} %", lines))
    return Grid(
        caption="Performance and sensitivity by task",
        head=(
            *("optimizer", "accuracy at the own best (%)"),
            *(f"regret, {name} (points)" for name in LENSES.values()),
            *("normalised score (%)", "normalised regret, same raw rho (%)"),
        ),
        groups=tuple(groups),
        notes=tuple(notes.texts),
    )


def tuning_grid(summary: Summary) -> Grid | None:
    """Score and hyperparameter sensitivity of the optimizers that all tasks have."""
    if not summary["optimizers"]:
        return None
    notes = Notes()
    lines = tuple(
        Line(
            label=name,
            cells=(
                _estimate(own["score"], 1, notes),
                _estimate(own["hyperparameter_sensitivity"], 2, notes),
            ),
        )
        for name, own in summary["optimizers"].items()
    )
    return Grid(
        caption="Tuning for each task against tuning once for all",
        head=("optimizer", "mean normalised score (%)", "hyperparameter sensitivity Φ (%)"),
        groups=(("", lines),),
        notes=tuple(notes.texts),
    )


def worth_grid(summary: Summary) -> Grid | None:
    """How many hyperparameters are worth tuning, by optimizer and task."""
    notes = Notes()
    lines = []
    tasks = [task for task in summary["tasks"] if task["mapped"]]
    for name in summary["optimizers"]:
        found = [task["optimizers"][name]["worth_tuning"] for task in tasks]
        lines.append(
            Line(
                label=name,
                cells=tuple(
                    _number(own[key], notes) for own in found for key in ("margin", "share")
                ),
            )
        )
    if not lines:
        return None
    heads = [
        f"{task['name']}: {what}"
        for task in tasks
        for what in (f"within {text.points(summary['margin'])} points", "95 % of the score")
    ]
    return Grid(
        caption="Hyperparameters worth tuning",
        head=("optimizer", *heads),
        groups=(("", tuple(lines)),),
        notes=tuple(notes.texts),
    )


def title(summary: Summary) -> str:
    return " · ".join(summary["comparison_of"])


def facts(summary: Summary) -> list[tuple[str, str, str]]:
    """(label, value, hint) of the line of key facts."""
    tasks = summary["tasks"]
    diverged = sum(task["n_diverged"] for task in tasks)
    found = [
        ("tasks", text.count(len(tasks)), ""),
        ("trials", text.count(sum(task["n_trials"] for task in tasks)), ""),
        ("diverged", text.count(diverged), "kept, at chance"),
    ]
    if summary["candidate"] is not None:
        found += [
            ("candidate", summary["candidate"], ""),
            ("baseline", summary["baseline"], ""),
            ("margin", f"± {text.points(summary['margin'])} points", "counts as no difference"),
        ]
    return found


def _left_out(summary: Summary) -> str:
    """Which tasks a mean does without."""
    parts = [
        f"{LENSES[row['lens']]}: without {', '.join(row['without'])}"
        for row in summary["comparisons"]
        if row["metric"] == METRIC and row["without"]
    ]
    return "; ".join(parts)


def _difference(rows: Sequence[Mapping[str, Any]], lens: str, notes: Notes) -> Cell:
    row = next((r for r in rows if r["lens"] == lens and r["metric"] == METRIC), None)
    if row is None or row["difference"] is None:
        reason = (row or {}).get("reason") or "the task does not compare these two in this lens"
        return Cell(value=text.DASH, note=notes.number(text.sentence(reason)))
    low, high = (text.points(row[key], sign=True) for key in ("low", "high"))
    return Cell(
        value=text.points(row["difference"], sign=True),
        interval=f"{low} to {high}",
        hint=f"p = {text.p_value(row['p_value'])}, {row['verdict']}",
    )


def _estimate(leaf: Mapping[str, Any], digits: int, notes: Notes) -> Cell:
    """A leaf in hundredths."""
    if leaf["value"] is None:
        return Cell(value=text.DASH, note=notes.number(text.sentence(str(leaf["reason"]))))
    low, high = (text.points(leaf[key], digits=digits) for key in ("low", "high"))
    return Cell(
        value=text.points(leaf["value"], digits=digits),
        interval=f"{low} to {high}",
        hint=f"{text.count(leaf['n'])} trials; {leaf['method']}",
    )


def _number(leaf: Mapping[str, Any], notes: Notes) -> Cell:
    if leaf["value"] is None:
        return Cell(value=text.DASH, note=notes.number(text.sentence(str(leaf["reason"]))))
    return Cell(value=str(leaf["value"]), interval=", ".join(leaf["hyperparameters"]))
