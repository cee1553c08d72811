"""What several tasks say about the claim, in plain English.

In: the tasks' claims and the means over tasks. Out: the comparison's `claim`. Imports the wording
of a single study's claim and the standard library.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agsam_tune.analysis.claim import claim

__all__ = ["claim_across"]

_WORDS = ("supported", "contradicted", "mixed", "undecided")


def claim_across(
    tasks: Sequence[Mapping[str, Any]],
    comparisons: Sequence[Mapping[str, Any]],
    pair: tuple[str, str] | None,
) -> dict[str, Any]:
    """In how many tasks the claim holds, and what holds on average.

    Args:
        tasks: the comparison's entries of its tasks.
        comparisons: the means over tasks.
        pair: candidate and baseline of most tasks, or None.

    Returns:
        `text`, one sentence; `verdict`, that of the means over tasks by the rule for one study;
        `because`, a sentence for each lens and what they are about.
    """
    if pair is None:
        text = "No study names a candidate and a baseline, so there is no claim to judge."
        return {"text": text, "verdict": "undecided", "because": []}
    candidate, baseline = pair
    ours = [task for task in tasks if task["pair"] == [candidate, baseline]]
    judged = [task for task in ours if task["compared"]]
    if not judged:
        text = f"No task says how {candidate} and {baseline} do when they are mis-set."
        return {"text": text, "verdict": "undecided", "because": []}
    counts = Counter(task["claim"]["verdict"] for task in judged)
    mean = claim(comparisons, candidate, baseline)
    findings = mean["text"].partition(": ")[2].rstrip(".")
    average = f"; on average over {_tasks(len(judged))}, {findings}" if findings else ""
    text = (
        f"That {candidate} is more robust than {baseline} is {_counted(counts, len(judged))}"
        f"{average}."
    )
    because = [*mean["because"], *_sensitivity(comparisons, candidate, baseline)]
    others = {
        "Not about these two": [task["name"] for task in tasks if task not in ours],
        "Without mis-set settings of both": [t["name"] for t in ours if t not in judged],
    }
    because += [
        f"{why}, so in no mean: {', '.join(names)}." for why, names in others.items() if names
    ]
    because.append("The tasks are those that were run; nothing is said about others.")
    return {"text": text, "verdict": mean["verdict"], "because": because}


def _counted(counts: Mapping[str, int], total: int) -> str:
    """`supported in 2 of 3 tasks and undecided in 1`; `supported in both tasks`."""
    found = [(word, counts[word]) for word in _WORDS if counts.get(word)]
    if len(found) == 1:
        whole = {1: "the one task", 2: "both tasks"}.get(total, f"all {total} tasks")
        return f"{found[0][0]} in {whole}"
    parts = [f"{word} in {number}" for word, number in found]
    parts[0] += f" of {total} tasks"
    return " and ".join([", ".join(parts[:-1]), parts[-1]])


def _tasks(number: int) -> str:
    return {1: "the one task", 2: "the two"}.get(number, f"all {number}")


def _sensitivity(
    comparisons: Sequence[Mapping[str, Any]], candidate: str, baseline: str
) -> list[str]:
    row = next((r for r in comparisons if r["metric"] == "hyperparameter_sensitivity"), None)
    if row is None:
        return []
    if row["difference"] is None:
        return [f"How much each gains by tuning for each task is not known: {row['reason']}."]
    low, high = (100 * row[key] for key in ("low", "high"))
    size, more = abs(100 * row["difference"]), "less" if row["difference"] < 0 else "more"
    conclusion = {
        "candidate": f"{candidate} needs it less",
        "baseline": f"{baseline} needs it less",
    }.get(row["verdict"], "no conclusion")
    return [
        f"Tuning for each task instead of once for all gains {candidate} {size:.2f} % of the "
        f"best score {more} than {baseline} (interval of the difference "
        f"{_signed(low)} to {_signed(high)}): {conclusion}."
    ]


def _signed(number: float) -> str:
    text = f"{abs(number):.2f}"
    return text if not float(text) else f"−{text}" if number < 0 else f"+{text}"
