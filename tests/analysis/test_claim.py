"""The claim in words, for every combination of verdicts."""

from itertools import product

import pytest

from agsam_tune.analysis.claim import Wording, claim_of
from agsam_tune.analysis.lenses.estimates import Interval
from agsam_tune.analysis.lenses.pair import FAIR, Comparison, Judgement, Lens
from agsam_tune.analysis.record import Needed
from agsam_tune.analysis.verdict.claim_verdict import claim_verdict
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict

WORDING = Wording(
    candidate="ours", baseline="theirs", points=True, command="agsam-tune run STUDY", largest=64
)
WHERE = {Lens.OWN_SCALE: "own scale", Lens.EQUAL_RADIUS: "step length"}


def judgement_of(own_scale: LensVerdict, equal_radius: LensVerdict) -> Judgement:
    rows = []
    value = {Lens.SAME_SETTING: 0.05, Lens.OWN_SCALE: 0.0123, Lens.EQUAL_RADIUS: 0.0234}
    verdicts = {
        Lens.SAME_SETTING: LensVerdict.CANDIDATE,
        Lens.OWN_SCALE: own_scale,
        Lens.EQUAL_RADIUS: equal_radius,
    }
    for (lens, verdict), metric in product(verdicts.items(), ("score", "regret")):
        asked = verdict is not LensVerdict.NOT_APPLICABLE
        interval = Interval(low=-0.001, high=0.0254) if asked else None
        rows.append(
            Comparison(
                lens=lens,
                metric=metric,
                estimate=value[lens] if asked else None,
                interval=interval,
                verdict_interval=interval,
                verdict=verdict,
                reason=None if asked else "the study has no phase off",
                standard_error=0.004 if asked else None,
                margin=0.01 if asked else None,
            )
        )
    claim = claim_verdict((own_scale, equal_radius))
    return Judgement(comparisons=tuple(rows), claim=claim, best=0.9, lenses=2)


@pytest.mark.parametrize(("own_scale", "equal_radius"), [*product(LensVerdict, repeat=2)])
def test_the_headline_is_short_and_says_first_what_was_decided(own_scale, equal_radius):
    claim = claim_of(judgement_of(own_scale, equal_radius), WORDING, ())
    assert len(claim.text.split()) <= 30
    verdicts = {Lens.OWN_SCALE: own_scale, Lens.EQUAL_RADIUS: equal_radius}
    asked = [
        lens for lens, verdict in verdicts.items() if verdict is not LensVerdict.NOT_APPLICABLE
    ]
    assert all((WHERE[lens] in claim.text) == (lens in asked) for lens in FAIR if asked)
    undecided = [lens for lens in asked if verdicts[lens] is LensVerdict.UNDECIDED]
    places = sorted(asked, key=lambda lens: claim.text.index(WHERE[lens]))
    assert places[len(places) - len(undecided) :] == undecided or len(undecided) == 2
    assert len(claim.because) == 3
    assert "nan" not in " ".join((claim.text, *claim.because))


@pytest.mark.parametrize(
    ("replicates", "ending"),
    [
        (32, "; about 32 replicates would decide it: agsam-tune run STUDY."),
        (128, "would decide it, in a new study: in this one there can be 64."),
        (None, "undecided, and more of the same would not decide it."),
    ],
)
def test_what_is_undecided_says_what_would_decide_it(replicates, ending):
    needed = Needed(lens="own_scale", replicates=replicates, half_width=0.013, margin=0.01)
    found = judgement_of(LensVerdict.UNDECIDED, LensVerdict.CANDIDATE)
    claim = claim_of(found, WORDING, (needed,))
    assert claim.text == (
        "Undecided: ours loses 2.3 points less than theirs at equal step length; "
        "not decided yet on their own scales."
    )
    assert claim.because[0].endswith(ending)
    assert "score +1.23 points (−0.10 to +2.54), loses less by" in claim.because[0]


@pytest.mark.parametrize(
    ("own_scale", "equal_radius", "text"),
    [
        (
            "equivalent",
            "candidate",
            "Supported: ours loses 2.3 points less than theirs at equal step length; no difference "
            "on their own scales.",
        ),
        (
            "equivalent",
            "equivalent",
            "No difference: ours and theirs do alike on their own scales and at equal step length.",
        ),
        (
            "undecided",
            "undecided",
            "Undecided: ours and theirs cannot be told apart yet on their own scales and at "
            "equal step length.",
        ),
        (
            "level_baseline",
            "not_applicable",
            "No difference: theirs is 1.2 points better everywhere but loses as much on their own "
            "scales.",
        ),
    ],
)
def test_the_headline_names_the_two_once(own_scale, equal_radius, text):
    found = judgement_of(LensVerdict(own_scale), LensVerdict(equal_radius))
    assert claim_of(found, WORDING, ()).text == text
