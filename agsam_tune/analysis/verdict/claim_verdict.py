"""The verdict on the claim that the candidate is the more robust one.

In: the verdicts of the fair lenses. Out: one of `ClaimVerdict`. Complete: every combination has
one, and what cannot be asked is never undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from agsam_tune.analysis.verdict.lens_verdict import LensVerdict

__all__ = ["ClaimVerdict", "claim_verdict"]


class ClaimVerdict(StrEnum):
    """What the fair lenses say together."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    MIXED = "mixed"
    NO_DIFFERENCE = "no_difference"
    NOT_APPLICABLE = "not_applicable"
    UNDECIDED = "undecided"


def claim_verdict(fair: Sequence[LensVerdict]) -> ClaimVerdict:
    """The verdict, in this order.

    | verdict | when |
    | --- | --- |
    | mixed | a lens for each side, a level counting for its side; or one that is opposed |
    | not_applicable | no lens can be asked |
    | undecided | a lens that can be asked is undecided |
    | supported | the candidate wins at least one |
    | contradicted | the baseline wins at least one |
    | no_difference | all that can be asked are equivalent or level |

    Args:
        fair: the verdicts of `own_scale` and `equal_radius`.
    """
    asked = [verdict for verdict in fair if verdict is not LensVerdict.NOT_APPLICABLE]
    if LensVerdict.OPPOSED in asked or {verdict.side for verdict in asked} >= {1, -1}:
        return ClaimVerdict.MIXED
    if not asked:
        return ClaimVerdict.NOT_APPLICABLE
    if LensVerdict.UNDECIDED in asked:
        return ClaimVerdict.UNDECIDED
    if LensVerdict.CANDIDATE in asked:
        return ClaimVerdict.SUPPORTED
    if LensVerdict.BASELINE in asked:
        return ClaimVerdict.CONTRADICTED
    return ClaimVerdict.NO_DIFFERENCE
