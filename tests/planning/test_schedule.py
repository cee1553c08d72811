"""The agenda played through on a clock that is not real."""

from collections import Counter
from pathlib import Path

import pytest

from agsam_tune.agenda import Agenda
from agsam_tune.planning.schedule import play
from agsam_tune.study import load_study, planned_trials
from agsam_tune.trials import Outcome, State

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.mark.parametrize("places", [1, 2, 7])
def test_every_trial_of_a_study_is_planned_once(places: int) -> None:
    study = load_study(STUDIES / "quick.toml")
    schedule = play(study, (), 64, places, lambda pack: len(pack.trials))
    keys = [trial.key for pack in schedule.packs for trial in pack.trials]
    assert len(keys) == len(set(keys)) == Agenda(study, ()).total == schedule.core
    assert schedule.core / places <= schedule.wall <= schedule.core
    if places == 1:
        assert schedule.wall == schedule.core


def test_what_is_stored_is_not_planned_again() -> None:
    study = load_study(STUDIES / "quick.toml")
    whole = play(study, (), 64, 1, lambda _: 1.0)
    stored = [
        Outcome(trial=trial, state=State.COMPLETE, val_accuracy=0.5)
        for pack in whole.packs[:4]
        for trial in pack.trials
    ]
    rest = play(study, stored, 64, 1, lambda _: 1.0)
    keys = {trial.key for pack in rest.packs for trial in pack.trials}
    assert keys.isdisjoint(outcome.trial.key for outcome in stored)
    assert len(keys) + len(stored) == Agenda(study, ()).total


def test_a_phase_that_waits_for_another_one_takes_its_time() -> None:
    """`misset` follows the own best, so that many places cannot make a study arbitrarily short."""
    study = load_study(STUDIES / "quick.toml")
    assert study.phase("misset") is not None
    schedule = play(study, (), 64, 1000, lambda _: 1.0)
    assert schedule.wall >= 2.0


def test_no_sampler_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """One such as `gp` takes minutes, on scores that are made up."""

    def fail(*_: object) -> None:
        raise AssertionError("a sampler was asked")

    monkeypatch.setattr("agsam_tune.design.tune.make_sampler", fail)
    study = load_study(STUDIES / "quick.toml", overrides=["phases.tune.sampler='gp'"])
    schedule = play(study, (), 64, 2, lambda _: 1.0)
    handed = Counter(t.phase for pack in schedule.packs for t in pack.trials)
    planned: Counter[str] = Counter()
    for (_, phase), trials in planned_trials(study).items():
        planned[phase] += trials or 0
    assert handed == planned
    assert handed["tune"] and handed["radius"] and handed["misset"]
