"""A pair judged along its lenses: mirror images, what cannot be asked, how sure one must be."""

import dataclasses

import numpy as np
import pytest

from agsam_tune.analysis.lenses.pair import Lens, judge_pair
from agsam_tune.analysis.verdict.claim_verdict import ClaimVerdict
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict
from tests.analysis.lenses.worlds import ImaginedStudy, Optimizer, World, cliff

NO_MAP = {Lens.SAME_SETTING: "the study maps no settings"}
WORLD = World(candidate=Optimizer(score=cliff(0.2), unit=-0.5), baseline=Optimizer(score=cliff()))


@pytest.fixture(scope="module")
def study() -> ImaginedStudy:
    return ImaginedStudy(WORLD, np.random.default_rng(4), 16)


def judged(study, sides, *, not_applicable=None, **changed):
    settings = dataclasses.replace(study.settings((16,), 16), **changed)
    return judge_pair(*sides, settings, not_applicable=NO_MAP | (not_applicable or {}))


def test_exchanged_sides_give_the_mirror_image(study):
    candidate, baseline = study.sides(16)
    ahead, back = judged(study, (candidate, baseline)), judged(study, (baseline, candidate))
    assert ahead.claim is ClaimVerdict.SUPPORTED
    assert back.claim is ClaimVerdict.CONTRADICTED
    for ours, theirs in zip(ahead.comparisons, back.comparisons, strict=True):
        assert theirs.verdict is ours.verdict.mirrored
        if ours.estimate is not None:
            assert (theirs.estimate, theirs.verdict_interval.low) == (
                -ours.estimate,
                -ours.verdict_interval.high,
            )


def test_a_lens_that_cannot_be_asked_says_why_and_leaves_the_other_all_of_the_level(study):
    sides = study.sides(16)
    both = judged(study, sides)
    alone = judged(study, sides, not_applicable={Lens.EQUAL_RADIUS: "no ascent step"})
    asked = {(row.lens, row.metric): row for row in alone.comparisons}
    assert asked[Lens.EQUAL_RADIUS, "regret"].reason == "no ascent step"
    assert asked[Lens.EQUAL_RADIUS, "regret"].estimate is None
    own = asked[Lens.OWN_SCALE, "score"]
    assert own.verdict_interval == own.interval  # 95 %, where two lenses share it
    wide = next(row for row in both.comparisons if row.lens is Lens.OWN_SCALE)
    assert wide.verdict_interval.low < own.verdict_interval.low
    assert alone.claim is ClaimVerdict.NO_DIFFERENCE


def test_a_study_that_may_grow_must_be_surer(study):
    sides = study.sides(16)
    widths = [
        next(row for row in judged(study, sides, largest=largest).comparisons if row.estimate)
        for largest in (16, 64)
    ]
    assert widths[1].verdict_interval.high > widths[0].verdict_interval.high
    assert widths[1].interval == widths[0].interval


def test_one_optimizer_as_two_independent_runs_is_no_winner():
    world = World(candidate=Optimizer(score=cliff()), baseline=Optimizer(score=cliff()))
    one, other = (ImaginedStudy(world, np.random.default_rng(seed), 16) for seed in (1, 2))
    found = judged(one, (one.sides(16)[0], other.sides(16)[1]), paired=False)
    assert not {row.verdict for row in found.comparisons} & {
        LensVerdict.CANDIDATE,
        LensVerdict.BASELINE,
    }


@pytest.mark.parametrize("shaved", [0.0, 0.01, 0.2], ids=["all", "nearly all", "one placement"])
def test_a_narrow_box_is_found_where_keys_end_before_f_beyond_it(shaved):
    """As a table's may, whose ends are its first and last key; a change of unit must not win."""
    world = World(candidate=Optimizer(score=cliff(), unit=-0.5), baseline=Optimizer(score=cliff()))
    world = dataclasses.replace(world, box=(-0.6, -0.2))
    study = ImaginedStudy(world, np.random.default_rng(6), 16)
    low, high = study.span
    found = judged(study, study.sides(16), off_range=(low + shaved, high - shaved))
    row = next(row for row in found.comparisons if row.lens is Lens.OWN_SCALE)
    assert (row.verdict, row.estimate > 0.05) == (LensVerdict.UNDECIDED, True)
    assert row.reason == "the box is too narrow: its low end should move outwards"
