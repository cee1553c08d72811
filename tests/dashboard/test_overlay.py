"""The dashboard's copy of a run: what it shows, what it keeps out, and that it comes bit by bit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from agsam_tune.dashboard.description import Description, Figure
from agsam_tune.dashboard.overlay import CURVES, NOT_OURS, STEPS, Overlay
from agsam_tune.dashboard.places import places
from agsam_tune.dashboard.source import Source, trials_of_table
from agsam_tune.store import ResultStore, StorageAwayError, StorageError, Stored
from agsam_tune.study import Study
from agsam_tune.trials import Curve
from tests.dashboard.runs import (
    CHANCE,
    batches,
    numbered,
    outcomes_of,
    small_study,
    study_of,
    table_of,
    write_run,
)
from tests.store.outcomes import DIVERGED, EXTREME, FAILED, STUDY, outcome

STUDIES = Path(__file__).parents[2] / "studies"


def shown(
    overlay: Overlay, study: Study, optimizer: str, *, of_map: bool = False
) -> list[FrozenTrial]:
    where = places(study)
    number = (where.maps if of_map else where.trials)[optimizer]
    return overlay.storage.get_all_trials(number)


def test_trials_are_shown_as_they_are_stored(tmp_path: Path) -> None:
    study = small_study()
    write_run(tmp_path, study)
    source = Source(tmp_path)
    overlay = Overlay(study, CHANCE)
    assert overlay.add(source.new()) == overlay.n_trials == len(table_of(study))
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    for optimizer in study.optimizers:
        own = optuna.load_study(study_name=f"quick/{optimizer}", storage=storage)
        mine = shown(overlay, study, optimizer)
        assert len(mine) == len(own.trials)
        for theirs, here in zip(own.trials, mine, strict=True):
            assert here.number == theirs.number
            assert (here.value, here.params, here.state) == (
                *(theirs.value, theirs.params, theirs.state),
            )
            assert here.datetime_complete == theirs.datetime_complete
            for name in ("phase", "point", "seed", "test_accuracy"):
                assert here.user_attrs[name] == theirs.user_attrs[name]


def test_all_trials_of_a_hyperparameter_are_of_one_range() -> None:
    """Optuna's importances leave out trials whose range is another."""
    study = small_study()
    overlay = Overlay(study, CHANCE)
    overlay.add(numbered(outcomes_of(study)))
    for optimizer in study.optimizers:
        trials = shown(overlay, study, optimizer)
        for name, box in study.search_spaces[optimizer].ranges.items():
            (wide,) = {str(trial.distributions[name]) for trial in trials}
            maps = shown(overlay, study, optimizer, of_map=True)
            (drawn,) = {str(trial.distributions[name]) for trial in maps}
            assert drawn == str(FloatDistribution(box.low, box.high, log=box.log)) != wide


def test_how_a_trial_ended_is_said_and_seen() -> None:
    at_chance = outcome(point=3, test_accuracy=CHANCE)
    overlay = Overlay(STUDY, CHANCE)
    overlay.add(numbered([outcome(), DIVERGED, EXTREME, at_chance, FAILED]))
    trials = [*shown(overlay, STUDY, "gsam"), *shown(overlay, STUDY, "adaptive_gsam")]
    assert [trial.user_attrs["result"] for trial in trials] == [
        *("finished", "diverged at step 7", "no better than chance", "no better than chance"),
        "raised an error",
    ]
    grey = [trial.number for trial in trials[:4] if trial.system_attrs.get("constraints") == [1.0]]
    assert grey == [1]
    assert trials[1].state is TrialState.COMPLETE
    assert "test_loss" not in trials[1].user_attrs
    assert trials[4].state is TrialState.FAIL
    assert trials[4].user_attrs["error"] == FAILED.error
    assert (trials[0].datetime_complete - trials[0].datetime_start).total_seconds() == 1.5


def test_trials_of_others_leave_the_numbers_as_they_are(tmp_path: Path) -> None:
    study = small_study()
    ours = [one for one in outcomes_of(study) if one.trial.optimizer == "gsam"]
    write_run(tmp_path, study, ours[:2])
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    theirs = optuna.load_study(study_name="quick/gsam", storage=storage)
    attributes = {"cma:optimizer": "gASVDAAAAAAAAACMBG9vcHOULg=="}
    theirs.add_trial(create_trial(value=1.0, system_attrs=attributes, user_attrs={"mine": "x"}))
    with closing(ResultStore.open(study, str(tmp_path / "study.journal"))) as store:
        store.add(ours[2:4])
    overlay = Overlay(study, CHANCE)
    overlay.add(Source(tmp_path).new())
    trials = shown(overlay, study, "gsam")
    assert [trial.user_attrs["result"] for trial in trials[2:3]] == [NOT_OURS["result"]]
    assert [trial.user_attrs.get("point") for trial in trials] == [
        *(one.trial.point for one in ours[:2]),
        None,
        *(one.trial.point for one in ours[2:4]),
    ]
    assert not any("cma:optimizer" in trial.system_attrs for trial in trials)
    assert not any("mine" in trial.user_attrs for trial in trials)


@pytest.mark.parametrize("optimizer", ["gsam", "adaptive_gsam"])
def test_the_map_is_shown_by_itself_as_the_analysis_takes_it(optimizer: str) -> None:
    study = small_study()
    table = table_of(study)
    overlay = Overlay(study, CHANCE)
    overlay.add(trials_of_table(study, table))
    rows = table[(table["optimizer"] == optimizer) & (table["phase"] == "map")]
    values = [t.value for t in shown(overlay, study, optimizer, of_map=True)]
    assert values == rows["test_accuracy"].clip(lower=CHANCE).to_list()


def test_a_trial_that_diverged_or_raised_is_in_the_map_as_it_counts() -> None:
    overlay = Overlay(STUDY, CHANCE)
    worse = outcome(point=3, test_accuracy=CHANCE / 2)
    overlay.add(numbered([replace(DIVERGED, test_accuracy=math.nan), worse]))
    overlay.add(numbered([FAILED]))
    assert [t.value for t in shown(overlay, STUDY, "gsam", of_map=True)] == [CHANCE, CHANCE]
    assert shown(overlay, STUDY, "adaptive_gsam", of_map=True) == []


@pytest.mark.parametrize("name", ["moons", "paper_moons"])
def test_learning_curves_are_few_and_short(name: str) -> None:
    study = study_of(name)
    reached = np.linspace(0.5, 0.9, 30)
    curve = Curve(val_accuracy=tuple(reached - 0.1), test_accuracy=tuple(reached))
    some = [replace(one, curve=curve) for one in outcomes_of(study)]
    own = [one for one in some if one.trial.optimizer == "gsam"]
    overlay = Overlay(study, CHANCE)
    overlay.add(numbered(own))
    mapped = study.phase("map") is not None
    trials = shown(overlay, study, "gsam", of_map=mapped)
    # Those of the map; without one, those of all trials.
    drawn = [t.intermediate_values for t in trials if t.intermediate_values]
    assert len(drawn) == min(CURVES, len(trials)) > 0
    assert all(len(values) <= STEPS for values in drawn)
    assert all(values[30] == pytest.approx(0.9 if mapped else 0.8) for values in drawn)
    trials = shown(overlay, study, "gsam")
    assert not mapped or not any(t.intermediate_values for t in trials)


def test_what_comes_bit_by_bit_is_what_comes_at_once() -> None:
    study = small_study()
    stored = numbered(outcomes_of(study))
    at_once, bit_by_bit = Overlay(study, CHANCE), Overlay(study, CHANCE)
    at_once.add(stored)
    for batch in batches(stored, 7):
        bit_by_bit.add(batch)
    for optimizer in study.optimizers:
        for of_map in (False, True):
            one, other = (
                shown(overlay, study, optimizer, of_map=of_map) for overlay in (at_once, bit_by_bit)
            )
            assert [(t.number, t.value, t.params, t.user_attrs) for t in one] == [
                (t.number, t.value, t.params, t.user_attrs) for t in other
            ]


def test_an_unchanged_description_is_not_written_again() -> None:
    overlay = Overlay(STUDY, CHANCE)
    overlay.announce("Soon <b>&</b> *now*")
    text = overlay.storage.get_study_system_attrs(0)["dashboard:note_str:0"]
    assert "\\<b\\>" in text
    figure = Figure(key="1-claim", json="{}")
    said = Description(note="# one", facts={"verdict": "mixed"}, figures=(figure,))
    overlay.describe({0: said})
    before = dict(overlay.storage.get_study_system_attrs(0))
    assert before["dashboard:note_ver"] == 2
    overlay.describe({0: said})
    overlay.announce("Not any more")
    assert overlay.storage.get_study_system_attrs(0) == before
    assert overlay.storage.get_study_user_attrs(0) == {"verdict": "mixed"}


def test_a_table_of_trials_made_elsewhere() -> None:
    study = study_of("quick")
    table = table_of(study)
    table.loc[0, ["val_accuracy", "radius"]] = math.nan
    (first, *others) = trials_of_table(study, table[table["optimizer"] == "gsam"])
    assert [one.number for one in (first, *others)] == list(range(len(others) + 1))
    overlay = Overlay(study, CHANCE)
    rows = list(trials_of_table(study, table))
    assert overlay.add(rows) == len(table)
    first_row = table.iloc[0]
    trial = shown(overlay, study, str(first_row["optimizer"]))[0]
    assert trial.value == first_row["test_accuracy"]


def test_a_journal_that_was_replaced_is_not_mixed_with_the_old(tmp_path: Path) -> None:
    study = small_study()
    write_run(tmp_path, study, outcomes_of(study)[:10])
    source = Source(tmp_path)
    assert len(source.new()) == 10
    journal = tmp_path / "study.journal"
    journal.rename(tmp_path / "old.journal")
    write_run(tmp_path, study, outcomes_of(study)[:20])
    with pytest.raises(StorageError, match="start the dashboard again"):
        source.new()


def test_what_was_read_before_a_storage_went_away_is_given_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small_study()
    write_run(tmp_path, study, outcomes_of(study)[:5])
    source = Source(tmp_path)
    found = source._new

    def broken() -> Iterator[Stored]:
        yield from list(found())[:3]
        raise StorageAwayError("the server restarts")

    monkeypatch.setattr(source, "_new", broken)
    with pytest.raises(StorageAwayError):
        source.new()
    monkeypatch.setattr(source, "_new", lambda: iter(()))
    assert len(source.new()) == 3
    assert source.new() == []


def test_what_is_not_known_any_more_is_not_shown() -> None:
    overlay = Overlay(STUDY, CHANCE)
    figures = tuple(Figure(key=key, json="{}") for key in ("1-claim", "5-surface"))
    overlay.describe({0: Description(note="# one", facts={"own best": "x"}, figures=figures)})
    overlay.describe({0: Description(note="# two", facts={"verdict": "y"}, figures=figures[:1])})
    assert overlay.figures(0) == {"1-claim"}
    assert overlay.storage.get_study_user_attrs(0) == {"own best": "–", "verdict": "y"}
