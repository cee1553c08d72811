"""What the lenses say of the claim that the candidate is the more robust one, in plain English.

In: the pair's judgement. Out: the record's `claim`. Must not import pandas, torch, Ray or Optuna.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agsam_tune.analysis.lenses.pair import FAIR, Comparison, Judgement, Lens
from agsam_tune.analysis.record import Claim, Needed
from agsam_tune.analysis.verdict.claim_verdict import ClaimVerdict
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict

__all__ = ["NO_PAIR", "Wording", "claim_of"]

NO_PAIR = Claim(
    verdict="not_applicable", text="The study names no candidate and baseline to compare."
)

_WHERE: Mapping[Lens, str] = {
    Lens.OWN_SCALE: "on their own scales",
    Lens.EQUAL_RADIUS: "at equal step length",
}
_ASKED: Mapping[Lens, str] = {
    Lens.SAME_SETTING: "At the same settings",
    Lens.OWN_SCALE: "Each on its own scale, placed well and off in everything",
    Lens.EQUAL_RADIUS: "At steps of the same length",
}
_SAID = {
    "supported": "Supported",
    "contradicted": "Contradicted",
    "mixed": "Mixed",
    "no_difference": "No difference",
    "not_applicable": "Not applicable",
    "undecided": "Undecided",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How the text calls things.

    Attributes:
        candidate, baseline: their names.
        points: whether scores are shares, which people read in points.
        command: what adds replicates; None where there can be no more.
        largest: how many replicates this study may come to have.
    """

    candidate: str
    baseline: str
    points: bool
    command: str | None
    largest: int

    def amount(self, difference: float) -> str:
        """The size of a difference, such as `3.6 points`."""
        return f"{abs(100 * difference):.1f} points" if self.points else f"{abs(difference):.3g}"

    def signed(self, value: float) -> str:
        """With a true minus, and no sign before what is shown as nothing."""
        digits = f"{abs(100 * value):.2f}" if self.points else f"{abs(value):.3g}"
        sign = "" if not float(digits) else "−" if value < 0 else "+"
        return sign + digits


def claim_of(
    judgement: Judgement, wording: Wording, needed: Sequence[Needed], besides: Iterable[str] = ()
) -> Claim:
    """The claim's verdict, headline, and a sentence for each lens.

    Args:
        judgement: what the lenses say.
        wording: names.
        needed: how many replicates would decide what is undecided.
        besides: further sentences that bear on no verdict.
    """
    rows = {(row.lens, row.metric): row for row in judgement.comparisons}
    verdict = judgement.claim
    because = [
        _sentence(lens, rows[lens, "score"], rows[lens, "regret"], wording, needed)
        for lens in (*FAIR, Lens.SAME_SETTING)
    ]
    return Claim(
        verdict=verdict.value,
        text=_headline(verdict, rows, wording),
        because=(*because, *besides),
    )


def _headline(
    verdict: ClaimVerdict, rows: Mapping[tuple[Lens, str], Comparison], wording: Wording
) -> str:
    """At most 30 words: what was decided, then what was not; the first finding names the two."""
    asked = [
        lens for lens in FAIR if rows[lens, "regret"].verdict is not LensVerdict.NOT_APPLICABLE
    ]
    if not asked:
        return "Not applicable: neither fair lens can be asked of this study."
    said: dict[str, list[str]] = {}
    first = min(_rank(rows[lens, "regret"].verdict) for lens in asked)
    for lens in sorted(asked, key=lambda lens: _rank(rows[lens, "regret"].verdict)):
        score, regret = rows[lens, "score"], rows[lens, "regret"]
        finding = _finding(score, regret, wording, named=_rank(regret.verdict) == first)
        said.setdefault(finding, []).append(_WHERE[lens])
    findings = "; ".join(f"{what} {' and '.join(where)}" for what, where in said.items())
    return f"{_SAID[verdict.value]}: {findings}."


def _rank(verdict: LensVerdict) -> int:
    """Who wins comes first, what is not decided last."""
    if verdict is LensVerdict.UNDECIDED:
        return 2
    return 1 if verdict is LensVerdict.EQUIVALENT else 0


def _finding(score: Comparison, regret: Comparison, wording: Wording, *, named: bool) -> str:
    """What a lens found, in at most 10 words; unless `named` without the names where it can be."""
    ours, theirs = wording.candidate, wording.baseline
    higher, less = (wording.amount(row.estimate or 0) for row in (score, regret))
    match regret.verdict:
        case LensVerdict.CANDIDATE:
            return f"{ours} loses {less} less than {theirs}"
        case LensVerdict.BASELINE:
            return f"{theirs} loses {less} less than {ours}"
        case LensVerdict.EQUIVALENT:
            return f"{ours} and {theirs} do alike" if named else "no difference"
        case LensVerdict.LEVEL_CANDIDATE:
            return f"{ours} is {higher} better everywhere but loses as much"
        case LensVerdict.LEVEL_BASELINE:
            return f"{theirs} is {higher} better everywhere but loses as much"
        case LensVerdict.OPPOSED:
            better = ours if (score.estimate or 0) > 0 else theirs
            return f"{better} scores better but loses more"
        case _:
            return f"{ours} and {theirs} cannot be told apart yet" if named else "not decided yet"


def _sentence(
    lens: Lens,
    score: Comparison,
    regret: Comparison,
    wording: Wording,
    needed: Sequence[Needed],
) -> str:
    start = _ASKED[lens]
    if regret.verdict is LensVerdict.NOT_APPLICABLE:
        return f"{start}: not applicable, {regret.reason}."
    text = start
    if score.estimate is not None:
        text += (
            f", {wording.candidate} − {wording.baseline}: score {_number(score, wording)}, loses "
            f"less by {_number(regret, wording)}; "
        )
    else:
        text += ": "
    text += f"{_concluded(score, regret, wording)}"
    if lens not in FAIR:
        return f"{text} (no part of the claim: the same number is another step)."
    if regret.verdict is LensVerdict.UNDECIDED:
        text += _what_would_decide(lens, regret, wording, needed)
    return f"{text}."


def _number(row: Comparison, wording: Wording) -> str:
    """Such as `+0.07 points (−0.22 to +0.36)`."""
    value = wording.signed(row.estimate or 0.0) + (" points" if wording.points else "")
    interval = row.verdict_interval
    if interval is None or not interval.high - interval.low < math.inf:
        return value
    return f"{value} ({wording.signed(interval.low)} to {wording.signed(interval.high)})"


def _concluded(score: Comparison, regret: Comparison, wording: Wording) -> str:
    if regret.verdict is LensVerdict.UNDECIDED:
        return "undecided"
    if regret.verdict is LensVerdict.EQUIVALENT:
        return f"no difference beyond {wording.amount(regret.margin or 0.0)}"
    return _finding(score, regret, wording, named=True)


def _what_would_decide(
    lens: Lens, regret: Comparison, wording: Wording, needed: Sequence[Needed]
) -> str:
    text = f", {regret.reason}" if regret.reason is not None else ""
    row = next((row for row in needed if row.lens == lens.value), None)
    if row is None:
        return text
    if row.replicates is None:
        return f"{text}, and more of the same would not decide it"
    text += f"; about {row.replicates} replicates would decide it"
    if row.replicates > wording.largest:
        return f"{text}, in a new study: in this one there can be {wording.largest}"
    return f"{text}: {wording.command}" if wording.command is not None else text
