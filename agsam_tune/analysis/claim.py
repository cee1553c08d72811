"""What the comparisons say about the claim that the candidate is more robust.

In: the entries of `comparisons`. Out: `summary.json`'s `claim`. Imports nothing but the standard
library.
"""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["claim"]

_LENSES = {
    "rho": "at the same settings",
    "own_best": "around each one's own best setting",
    "radius": "at the same measured radius",
}


def claim(
    comparisons: Sequence[Mapping[str, Any]],
    candidate: str | None,
    baseline: str | None,
    *,
    gap: Mapping[str, Any] | None = None,
    best: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The verdict that `regret_sensitivity` gives over the three lenses, in plain English.

    Supported when the candidate wins in own_best and in radius and does not lose in rho;
    contradicted when in both own_best and radius the baseline wins or they are equivalent; mixed
    when the candidate wins in one lens and the baseline in another; else undecided.

    Args:
        comparisons: the entries of `comparisons`.
        candidate, baseline: the pair, or None.
        gap: the parts of the mean accuracy's gap, as leaves.
        best: optimizer -> the leaf of its accuracy at the own best.

    Returns:
        text, verdict and because: a sentence for each of the three lenses, then, where they are
        known, one on the gap's parts and one on plain sgd. These two bear on no verdict.
    """
    if candidate is None or baseline is None:
        text = "The study names no candidate and baseline, so there is no claim to judge."
        return {"text": text, "verdict": "undecided", "because": [text]}
    rows = {row["lens"]: row for row in comparisons if row["metric"] == "regret_sensitivity"}
    if not rows:
        text = "The study maps no settings, so it says nothing about robustness to them."
        return {"text": text, "verdict": "undecided", "because": [text]}
    verdicts = {lens: rows[lens]["verdict"] if lens in rows else "undecided" for lens in _LENSES}
    verdict = _verdict(verdicts)
    because = [_because(lens, rows.get(lens), candidate, baseline) for lens in _LENSES]
    because += _gap_sentence(gap or {}, candidate, baseline)
    because += _sgd_sentence(best or {}, candidate, baseline)
    text = f"{verdict.capitalize()}: when mis-set, {_findings(rows, candidate, baseline)}."
    return {"text": text, "verdict": verdict, "because": because}


def _verdict(verdicts: Mapping[str, str]) -> str:
    fair = (verdicts["own_best"], verdicts["radius"])
    if fair == ("candidate", "candidate") and verdicts["rho"] != "baseline":
        return "supported"
    if all(verdict in ("baseline", "equivalent") for verdict in fair):
        return "contradicted"
    if {"candidate", "baseline"} <= set(verdicts.values()):
        return "mixed"
    return "undecided"


def _findings(rows: Mapping[str, Mapping[str, Any]], candidate: str, baseline: str) -> str:
    """What the three lenses found, those with the same finding together."""
    where_of: dict[str, list[str]] = {}
    for lens, where in _LENSES.items():
        where_of.setdefault(_finding(rows.get(lens), candidate, baseline), []).append(where)
    return "; ".join(f"{finding} {_listed(places)}" for finding, places in where_of.items())


def _finding(row: Mapping[str, Any] | None, candidate: str, baseline: str) -> str:
    if row is None or row["difference"] is None:
        return f"nothing is known of {candidate} and {baseline}"
    if row["verdict"] == "undecided":
        return f"there is no clear difference between {candidate} and {baseline}"
    if row["verdict"] == "equivalent":
        return f"{candidate} loses as much as {baseline}"
    more = "less" if row["verdict"] == "candidate" else "more"
    return f"{candidate} loses {abs(100 * row['difference']):.1f} points {more} than {baseline}"


def _listed(places: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(places[:-1]), places[-1]]))


def _because(lens: str, row: Mapping[str, Any] | None, candidate: str, baseline: str) -> str:
    where = _LENSES[lens]
    if row is None:
        return f"{where.capitalize()} nothing was measured."
    if row["difference"] is None:
        return f"{where.capitalize()} there is no estimate: {row.get('reason', 'no data')}."
    points, low, high = (100 * row[key] for key in ("difference", "low", "high"))
    more = "less" if points < 0 else "more"
    conclusion = {
        "candidate": f"{candidate} is the more robust one",
        "baseline": f"{baseline} is the more robust one",
        "equivalent": "no difference that matters",
        "undecided": "no clear difference"
        if low <= 0 <= high
        else "clear by itself, but not once the lens's other metrics are allowed for",
    }[row["verdict"]]
    return (
        f"{where.capitalize()} {candidate} loses {abs(points):.2f} points {more} than {baseline} "
        f"(interval of the difference {_signed(low)} to {_signed(high)} points, "
        f"p {_p_value(row['p_value'])} after Holm): {conclusion}."
    )


def _gap_sentence(gap: Mapping[str, Any], candidate: str, baseline: str) -> list[str]:
    parts = [gap.get(part, {}) for part in ("total", "unit_part", "direction_part")]
    if any(part.get("value") is None for part in parts):
        return []
    total, unit, direction = parts
    return [
        f"Of the {_number(100 * total['value'])} points of mean accuracy between them at the same "
        f"rho ({candidate} − {baseline}), {_with_interval(unit)} are the unit of rho and "
        f"{_with_interval(direction)} the direction of the step."
    ]


def _sgd_sentence(best: Mapping[str, Any], candidate: str, baseline: str) -> list[str]:
    values = [best.get(name, {}).get("value") for name in ("sgd", candidate, baseline)]
    if any(value is None for value in values):
        return []
    sgd, ours, theirs = (f"{100 * value:.2f} %" for value in values)
    return [f"Plain sgd reaches {sgd}; {candidate} at its own best {ours}, {baseline} {theirs}."]


def _with_interval(leaf: Mapping[str, Any]) -> str:
    value, low, high = (100 * leaf[key] for key in ("value", "low", "high"))
    return f"{_number(value)} ({_signed(low)} to {_signed(high)})"


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def _signed(points: float) -> str:
    text = _number(points)
    return f"+{text}" if points > 0 and float(text) else text


def _number(points: float) -> str:
    """Two decimals with a true minus; never a negative zero."""
    text = f"{abs(points):.2f}"
    return f"−{text}" if points < 0 and float(text) else text
