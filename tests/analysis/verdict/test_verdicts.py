"""Every combination of what a lens and the claim are made of has its verdict."""

from itertools import product

import pytest

from agsam_tune.analysis.lenses.estimates import Interval
from agsam_tune.analysis.verdict.claim_verdict import ClaimVerdict, claim_verdict
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict, lens_verdict

MARGIN = 0.01
INTERVALS = {
    "above": (0.005, 0.03),
    "below": (-0.03, -0.005),
    "inside": (-0.004, 0.005),
    "above inside": (0.001, 0.005),
    "below inside": (-0.005, -0.001),
    "wide": (-0.02, 0.03),
}
#: (score, spared) → verdict, for the candidate's side; the others are mirror images or undecided.
LENS = {
    ("inside", "inside"): "equivalent",
    ("inside", "above inside"): "equivalent",
    ("above inside", "inside"): "equivalent",
    ("above inside", "above inside"): "equivalent",
    ("above inside", "below inside"): "equivalent",
    ("above", "above"): "candidate",
    ("above", "above inside"): "candidate",
    ("above inside", "above"): "candidate",
    ("above", "inside"): "level_candidate",
    ("above", "below inside"): "level_candidate",
    ("above", "below"): "opposed",
    ("above inside", "below"): "opposed",
}
MIRROR = {"above": "below", "below": "above"}


def _mirrored(name):
    word, *rest = name.split()
    return " ".join([MIRROR.get(word, word), *rest])


@pytest.mark.parametrize("pair", list(product(INTERVALS, INTERVALS)))
def test_a_lens_is_judged_by_both_numbers(pair):
    found = lens_verdict(*(Interval(low=a, high=b) for a, b in map(INTERVALS.get, pair)), MARGIN)
    mirror = tuple(map(_mirrored, pair))
    if pair in LENS:
        assert found == LENS[pair]
    elif mirror in LENS:
        assert found is LensVerdict(LENS[mirror]).mirrored
    else:
        assert found is LensVerdict.UNDECIDED


#: What the design's table says, for (own_scale, equal_radius) in either order.
CLAIM = {
    ("candidate", "candidate"): "supported",
    ("candidate", "equivalent"): "supported",
    ("candidate", "level_candidate"): "supported",
    ("candidate", "not_applicable"): "supported",
    ("candidate", "undecided"): "undecided",
    ("candidate", "baseline"): "mixed",
    ("candidate", "level_baseline"): "mixed",
    ("candidate", "opposed"): "mixed",
    ("level_candidate", "level_candidate"): "no_difference",
    ("level_candidate", "equivalent"): "no_difference",
    ("level_candidate", "not_applicable"): "no_difference",
    ("level_candidate", "undecided"): "undecided",
    ("level_candidate", "level_baseline"): "mixed",
    ("level_candidate", "opposed"): "mixed",
    ("equivalent", "equivalent"): "no_difference",
    ("equivalent", "not_applicable"): "no_difference",
    ("equivalent", "undecided"): "undecided",
    ("equivalent", "opposed"): "mixed",
    ("undecided", "undecided"): "undecided",
    ("undecided", "not_applicable"): "undecided",
    ("undecided", "opposed"): "mixed",
    ("not_applicable", "not_applicable"): "not_applicable",
    ("not_applicable", "opposed"): "mixed",
    ("opposed", "opposed"): "mixed",
}
MIRRORED_CLAIM = {"supported": "contradicted", "contradicted": "supported"}


@pytest.mark.parametrize("pair", list(product(LensVerdict, LensVerdict)))
def test_the_claim_has_a_verdict_for_every_pair_of_lenses(pair):
    found = claim_verdict(pair)
    for own, sign in ((pair, 1), (tuple(verdict.mirrored for verdict in pair), -1)):
        for order in (own, own[::-1]):
            expected = CLAIM.get(tuple(verdict.value for verdict in order))
            if expected is not None:
                told = expected if sign > 0 else MIRRORED_CLAIM.get(expected, expected)
                assert found == told
                return
    raise AssertionError(f"the design says nothing of {pair}")


@pytest.mark.parametrize("verdict", list(LensVerdict))
def test_one_lens_alone_is_as_with_one_that_cannot_be_asked(verdict):
    assert claim_verdict([verdict]) is claim_verdict([verdict, LensVerdict.NOT_APPLICABLE])


def test_no_lens_is_not_applicable():
    assert claim_verdict([]) is ClaimVerdict.NOT_APPLICABLE
