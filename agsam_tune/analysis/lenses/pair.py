"""Candidate against baseline along the three lenses: differences, verdicts, the claim.

In: the trainings of both optimizers by phase. Out: a record of each comparison, and the claim.

Where both are from one study, differences are taken replicate by replicate; two runs of different
designs are compared as independent ones (Welch).

Shapes: N trainings of one optimizer and phase, R replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.lenses.curves import KeyCurve
from agsam_tune.analysis.lenses.estimates import Estimate, Interval, difference, mean_estimate
from agsam_tune.analysis.lenses.own_scale import OwnScale, best_over_key, own_scale
from agsam_tune.analysis.verdict.claim_verdict import ClaimVerdict, claim_verdict
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict, lens_verdict
from agsam_tune.analysis.verdict.looks import look_level

__all__ = [
    "FAIR",
    "PHASES",
    "Comparison",
    "Judgement",
    "Lens",
    "PairSettings",
    "Trainings",
    "judge_pair",
]

Array = NDArray[np.float64]


class Lens(StrEnum):
    """What two optimizers are compared along."""

    SAME_SETTING = "same_setting"
    OWN_SCALE = "own_scale"
    EQUAL_RADIUS = "equal_radius"


#: The lenses that the claim is read from; a shared setting is another step for each optimizer.
FAIR = (Lens.OWN_SCALE, Lens.EQUAL_RADIUS)

#: The phase whose trainings a lens looks at.
PHASES: Mapping[Lens, str] = MappingProxyType(
    {Lens.SAME_SETTING: "map", Lens.OWN_SCALE: "off", Lens.EQUAL_RADIUS: "radius"}
)

#: Heights above the trivial score up to it are none.
_NO_HEIGHT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainings:
    """The trainings of one optimizer in one phase.

    Attributes:
        replicate_N: in [0, R).
        x_N: log10 of the key; of the length of the step in the phase `radius`.
        score_N: higher is better, no worse than trivial, trivial where it diverged.
    """

    replicate_N: NDArray[np.int64]
    x_N: Array
    score_N: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSettings:
    """What a comparison is made by.

    Attributes:
        box: log10 of both ends of the union of the boxes of the key.
        key_range, off_range: log10 of the ends of what the phases `key` and `off` draw.
        factor: F > 1, by how much everything may be off.
        trivial: the trivial score.
        margin: the study's margin; half of it counts in `own_scale`.
        confidence: of intervals that no verdict is made of.
        looks: replicates at each look so far, this one last.
        largest: replicates at most.
        replicates: of the candidate and of the baseline that there are.
        paired: whether both optimizers are from one study.
    """

    box: tuple[float, float]
    key_range: tuple[float, float]
    off_range: tuple[float, float]
    factor: float
    trivial: float
    margin: float
    confidence: float
    looks: tuple[int, ...]
    largest: int
    replicates: tuple[int, int]
    paired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One difference, candidate − baseline; of a regret, how much less the candidate loses.

    Attributes:
        lens: along what.
        metric: `score` or `regret`.
        estimate: the difference in terms of the score; None where it cannot be asked.
        interval: at the study's confidence.
        verdict_interval: that the verdict is made of, wider where it is looked at repeatedly.
        verdict: of the lens.
        reason: why the lens is not applicable, or what keeps it undecided besides width.
        standard_error: of the estimate.
        margin: differences up to it count as none.
    """

    lens: Lens
    metric: str
    estimate: float | None
    interval: Interval | None
    verdict_interval: Interval | None
    verdict: LensVerdict
    reason: str | None = None
    standard_error: float | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a study says of a pair.

    Attributes:
        comparisons: score and regret of each lens.
        claim: what the fair ones say together.
        best: what the key alone reaches, of the better of the two; None where it is not known.
        lenses: how many fair lenses share the level.
    """

    comparisons: tuple[Comparison, ...]
    claim: ClaimVerdict
    best: float | None
    lenses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbers:
    """The two numbers of an optimizer in a lens."""

    score: Estimate
    regret: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reasons:
    """What keeps a pair from any verdict, and from one that says that they differ."""

    always: str | None = None
    difference: str | None = None


def judge_pair(
    candidate: Mapping[str, Trainings],
    baseline: Mapping[str, Trainings],
    settings: PairSettings,
    *,
    not_applicable: Mapping[Lens, str],
    undecided: Mapping[Lens, str] = MappingProxyType({}),
    best: Sequence[Estimate] | None = None,
) -> Judgement:
    """Every lens that can be asked, and the claim.

    Args:
        candidate, baseline: the trainings by phase; a lens whose phase one of them lacks is
            undecided.
        settings: see `PairSettings`.
        not_applicable: lenses that the study's file rules out, with the reason.
        undecided: lenses that may have numbers and no verdict yet, with the reason.
        best: what each reaches, where there is no phase `key` to say it.
    """
    sides = (candidate, baseline)
    curves = [
        {
            phase: _curve(side[phase], phase, replicates, settings)
            for phase in ("key", "off")
            if phase in side
        }
        for side, replicates in zip(sides, settings.replicates, strict=True)
    ]
    if best is None and all("key" in own for own in curves):
        best = [best_over_key(own["key"]) for own in curves]
    height = max(one.value for one in best) - settings.trivial if best else None
    if height is not None and height <= _NO_HEIGHT:
        not_applicable = dict.fromkeys(Lens, "neither does better than the trivial score")
    asked = [lens for lens in FAIR if lens not in not_applicable]
    comparisons: list[Comparison] = []
    for lens in Lens:
        phase = PHASES[lens]
        if lens in not_applicable:
            verdict = LensVerdict.NOT_APPLICABLE
            comparisons += _without_numbers(lens, verdict, not_applicable[lens])
        elif best is None or height is None or any(phase not in side for side in sides):
            why = undecided.get(lens, f"trainings of the phases key or {phase} are missing")
            comparisons += _without_numbers(lens, LensVerdict.UNDECIDED, why)
        else:
            share = 0.5 if lens is Lens.OWN_SCALE else 1.0
            margin = share * settings.margin * min(1.0, 2 * height)
            numbers, narrow = _numbers(lens, sides, curves, best, margin, settings)
            level = (1 - settings.confidence) / (len(asked) if lens in FAIR else 1)
            level = look_level(settings.looks, settings.largest, level)
            reasons = _Reasons(
                always=undecided.get(lens, narrow.always), difference=narrow.difference
            )
            comparisons += _compared(lens, numbers, margin, level, settings, reasons)
    fair = {row.lens: row.verdict for row in comparisons if row.lens in FAIR}
    return Judgement(
        comparisons=tuple(comparisons),
        claim=claim_verdict(tuple(fair.values())),
        best=None if height is None else height + settings.trivial,
        lenses=len(asked),
    )


def _numbers(
    lens: Lens,
    sides: Sequence[Mapping[str, Trainings]],
    curves: Sequence[Mapping[str, KeyCurve]],
    best: Sequence[Estimate],
    margin: float,
    settings: PairSettings,
) -> tuple[list[_Numbers], _Reasons]:
    """Score and regret of both, and what keeps them from a verdict."""
    if lens is Lens.OWN_SCALE:
        found = [
            own_scale(reached, own["off"], box=settings.box, factor=settings.factor)
            for reached, own in zip(best, curves, strict=True)
        ]
        return [_Numbers(score=one.score, regret=one.regret) for one in found], _narrow(
            found, margin
        )
    means = [
        _means(side[PHASES[lens]], reached, replicates)
        for side, reached, replicates in zip(sides, best, settings.replicates, strict=True)
    ]
    return means, _Reasons()


def _curve(own: Trainings, phase: str, replicates: int, settings: PairSettings) -> KeyCurve:
    low, high = settings.key_range if phase == "key" else settings.off_range
    return KeyCurve(
        own.replicate_N, own.x_N, own.score_N, low=low, high=high, replicates=replicates
    )


def _means(trainings: Trainings, best: Estimate, replicates: int) -> _Numbers:
    score = mean_estimate(trainings.replicate_N, trainings.score_N, replicates=replicates)
    return _Numbers(score=score, regret=best - score)


def _narrow(found: Sequence[OwnScale], margin: float) -> _Reasons:
    """Whether a better placement may lie beyond the box, and make up for the difference.

    Scores that rise to an end by more than two margins a decade say so at once. Where they rise
    by less, a decade more of the box could still give the one that is behind as much as it is
    behind: a mere change of unit would else win wherever scores fall slowly.
    """
    ends = sorted({end for one in found if (end := one.rising_end(2 * margin))})
    if ends:
        which = " and its ".join(ends)
        return _Reasons(always=f"the box is too narrow: its {which} end should move outwards")
    behind, ahead = sorted(found, key=lambda one: one.score.value)
    end = behind.rising_end(ahead.score.value - behind.score.value)
    if end is None:
        return _Reasons()
    why = "the box is too narrow for so small a difference"
    return _Reasons(difference=f"{why}: its {end} end should move outwards")


def _compared(
    lens: Lens,
    numbers: Sequence[_Numbers],
    margin: float,
    level: float,
    settings: PairSettings,
    reasons: _Reasons,
) -> list[Comparison]:
    candidate, baseline = numbers
    differences = {
        "score": difference(candidate.score, baseline.score, paired=settings.paired),
        "regret": difference(baseline.regret, candidate.regret, paired=settings.paired),
    }
    judged = {metric: own.interval(level) for metric, own in differences.items()}
    verdict = lens_verdict(judged["score"], judged["regret"], margin)
    reason = reasons.always
    if verdict not in {LensVerdict.EQUIVALENT, LensVerdict.UNDECIDED}:
        reason = reason or reasons.difference
    if reason is not None:
        verdict = LensVerdict.UNDECIDED
    return [
        Comparison(
            lens=lens,
            metric=metric,
            estimate=own.value,
            interval=own.interval(1 - settings.confidence),
            verdict_interval=judged[metric],
            verdict=verdict,
            reason=reason,
            standard_error=own.standard_error,
            margin=margin,
        )
        for metric, own in differences.items()
    ]


def _without_numbers(lens: Lens, verdict: LensVerdict, reason: str) -> list[Comparison]:
    return [
        Comparison(
            lens=lens,
            metric=metric,
            estimate=None,
            interval=None,
            verdict_interval=None,
            verdict=verdict,
            reason=reason,
        )
        for metric in ("score", "regret")
    ]
