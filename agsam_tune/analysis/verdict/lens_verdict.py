"""The verdict of a lens, from its two differences.

In: the intervals of candidate − baseline in score and in how much less is lost. Out: the verdict.
"""

from __future__ import annotations

from enum import StrEnum

from agsam_tune.analysis.lenses.estimates import Interval

__all__ = ["LensVerdict", "lens_verdict"]


class LensVerdict(StrEnum):
    """What a lens says of the pair. A *level* side is better everywhere and loses as much."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"
    EQUIVALENT = "equivalent"
    LEVEL_CANDIDATE = "level_candidate"
    LEVEL_BASELINE = "level_baseline"
    OPPOSED = "opposed"
    UNDECIDED = "undecided"
    NOT_APPLICABLE = "not_applicable"

    @property
    def side(self) -> int:
        """1 where it speaks for the candidate, −1 for the baseline, else 0."""
        sides = {"candidate": 1, "level_candidate": 1, "baseline": -1, "level_baseline": -1}
        return sides.get(self.value, 0)

    @property
    def mirrored(self) -> LensVerdict:
        """The same with candidate and baseline exchanged."""
        pairs = {"candidate": "baseline", "level_candidate": "level_baseline"}
        pairs |= {one: other for other, one in pairs.items()}
        return LensVerdict(pairs.get(self.value, self.value))


def lens_verdict(score: Interval, spared: Interval, margin: float) -> LensVerdict:
    """The verdict of one lens.

    A side wins only where score and regret say so: who loses less of a lower best, and is worse
    when off, does not win; nor does who is better everywhere and loses as much.

    Args:
        score: of the candidate's score minus the baseline's.
        spared: of the baseline's regret minus the candidate's: what the candidate loses less.
        margin: differences up to it count as none.
    """
    if score.within(margin) and spared.within(margin):
        return LensVerdict.EQUIVALENT
    score_sides = {sign for sign in (1, -1) if score.excludes_zero(sign)}
    spared_sides = {sign for sign in (1, -1) if spared.excludes_zero(sign)}
    if score_sides and score_sides == spared_sides:
        return LensVerdict.CANDIDATE if 1 in score_sides else LensVerdict.BASELINE
    if score_sides and spared.within(margin):
        return LensVerdict.LEVEL_CANDIDATE if 1 in score_sides else LensVerdict.LEVEL_BASELINE
    if score_sides and spared_sides:
        return LensVerdict.OPPOSED
    return LensVerdict.UNDECIDED
