"""What is run when: batches of tune, misset after the own best, radius after key, retries."""

import dataclasses
import math
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from agsam_tune.agenda import ATTEMPTS, ATTEMPTS_ALONE, HOPELESS, MACHINES, Agenda, Fault, course
from agsam_tune.design import BATCH, radius_trials, tune_batch
from agsam_tune.study import Study, load_study, misset_kind
from agsam_tune.trials import Key, Outcome, Pack, State, Trial

QUICK = Path(__file__).parents[2] / "studies" / "quick.toml"
ENDS = (0.1, 1.0)


@pytest.fixture(autouse=True)
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[pd.DataFrame]:
    """The tables that a range is found from; the range itself is given."""
    tables: list[pd.DataFrame] = []

    def found(table: pd.DataFrame, study: Study, trivial: float | None) -> tuple[float, float]:
        del study
        assert trivial == 0.5
        tables.append(table)
        return ENDS

    monkeypatch.setattr(course, "found_range", found)
    return tables


#: Enough points for TPE to learn from what it is told.
LEARNING = ("phases.tune.sampler=tpe", "phases.tune.points=14", "replicates=2")


def _study(*overrides: str) -> Study:
    few = ["phases.tune.points=6", "phases.tune.sampler=random"]
    return load_study(QUICK, overrides=[*few, *overrides])


def _agenda(
    study: Study, stored: tuple[Outcome, ...] | list[Outcome] = (), **more: object
) -> Agenda:
    return Agenda(study, stored, trivial=0.5, **more)  # type: ignore[arg-type]


def _outcome(trial: Trial, accuracy: float | None = None) -> Outcome:
    """Best at rho = 0.1; second seeds say that it is at rho = 4."""
    rho = dict(trial.hyperparameters)["rho"]
    best = 4.0 if trial.seed % 2 else 0.1
    value = 0.9 - 0.1 * abs(math.log(rho / best)) if accuracy is None else accuracy
    return Outcome(trial=trial, state=State.COMPLETE, val_accuracy=value, test_accuracy=value)


def _run(agenda: Agenda) -> list[Pack]:
    packs = []
    while (pack := agenda.next_pack()) is not None:
        packs.append(pack)
        agenda.record([_outcome(trial) for trial in pack.trials])
    return packs


def _trials(agenda: Agenda, optimizer: str, phase: str) -> list[Trial]:
    """Of an optimizer in a phase, in point order."""
    own = [o.trial for o in agenda.outcomes if o.trial.key[:2] == (optimizer, phase)]
    return sorted(own, key=lambda trial: trial.key)


def test_every_trial_is_handed_out_once() -> None:
    agenda = _agenda(_study())
    trials = [trial.key for pack in _run(agenda) for trial in pack.trials]
    assert len(trials) == len(set(trials)) == agenda.total == len(agenda.outcomes)
    assert agenda.finished


def test_planned_says_what_comes_by_phase_and_optimizer_in_the_study_s_order() -> None:
    study = _study()
    agenda = _agenda(study)
    planned = dict(agenda.planned)
    assert list(dict.fromkeys(phase for phase, _ in planned)) == [p.name for p in study.phases]
    _run(agenda)
    assert planned == Counter((o.trial.phase, o.trial.optimizer) for o in agenda.outcomes)


def test_batches_of_several_replicates_share_packs() -> None:
    packs = _run(_agenda(_study("replicates=16")))
    tune = [p for p in packs if p.phase == "tune"]
    assert sorted(len(p.trials) for p in tune) == [16 * (6 - BATCH)] * 2 + [16 * BATCH] * 2
    assert packs[: len(tune)] == tune  # each waits for the one before it, so they go first
    misset = [p for p in packs if p.phase == "misset"]
    assert [len(p.trials) for p in misset] == [64, 64]


def test_after_a_stop_what_was_begun_is_recorded_and_nothing_is_handed_out() -> None:
    agenda = _agenda(_study())
    begun, waiting = agenda.next_pack(), agenda.next_pack()
    assert begun and waiting
    agenda.stop()
    assert agenda.next_pack() is None
    agenda.take_back(waiting)
    assert not agenda.finished
    agenda.record([_outcome(trial) for trial in begun.trials])
    assert agenda.finished
    carried_on = _run(_agenda(_study(), agenda.outcomes))
    assert begun not in carried_on
    assert waiting in carried_on


def test_the_last_packs_are_divided_among_the_places() -> None:
    agenda = _agenda(_study("phases.tune.points=2"), rows=16)
    whole = {pack.name: len(pack.trials) for pack in _run(agenda)}
    agenda, sizes, running = _agenda(_study("phases.tune.points=2"), rows=16), [], []
    while not agenda.finished:
        while len(running) < 3 and (pack := agenda.next_pack(3)) is not None:
            running.append(pack)
            sizes.append(len(pack.trials))
        agenda.record([_outcome(trial) for trial in running.pop(0).trials])
    assert sum(sizes) == agenda.total == len(agenda.outcomes)
    assert sizes[0] == next(iter(whole.values()))  # while others wait, packs are whole
    assert max(sizes[-3:]) <= -(-list(whole.values())[-1] // 3)


def test_tune_is_told_what_came_of_its_own_replicate() -> None:
    study = _study(*LEARNING)
    agenda = _agenda(study)
    _run(agenda)
    trials = _trials(agenda, "gsam", "tune")
    for replicate in range(study.replicates):
        own = [t for t in trials if t.replicate == replicate]
        told = [(dict(t.hyperparameters), _outcome(t).val_accuracy) for t in own[: 3 * BATCH]]
        last = tuple(own[3 * BATCH :])
        assert last == tune_batch(study, "gsam", replicate, 3, told)
        turned = [(values, -score) for values, score in told]
        assert last != tune_batch(study, "gsam", replicate, 3, turned)


def test_misset_is_around_the_best_of_its_own_replicate_by_its_first_seeds() -> None:
    study = _study()
    agenda = _agenda(study)
    _run(agenda)
    chosen_from = [t for p in ("map", "tune") for t in _trials(agenda, "gsam", p) if t.seed == 0]
    for replicate in range(study.replicates):
        own = [t for t in chosen_from if t.replicate == replicate]
        best = dict(max(own, key=lambda t: _outcome(t).val_accuracy).hyperparameters)
        missets = [t for t in _trials(agenda, "gsam", "misset") if t.replicate == replicate]
        for trial in missets[1::2]:
            kind = misset_kind(study, "gsam", replicate, trial.index)
            kept = {n: v for n, v in best.items() if n != kind.hyperparameter}
            assert kept.items() <= dict(trial.hyperparameters).items()


class TestRadius:
    def test_its_range_is_found_from_all_of_key_and_kept(
        self, looked_at: list[pd.DataFrame]
    ) -> None:
        study = _study()
        agenda = _agenda(study)
        packs = _run(agenda)
        phases = [p.phase for p in packs]
        last_key = max(i for i, phase in enumerate(phases) if phase == "key")
        assert phases.index("radius") > last_key
        assert agenda.radius_range == ENDS
        (table,) = looked_at
        assert set(table["phase"]) == {"key"}
        assert len(table) == 2 * study.replicates * 6
        found = [t for o in ("adaptive_gsam", "gsam") for t in _trials(agenda, o, "radius")]
        assert sorted(found, key=str) == sorted(radius_trials(study, ENDS), key=str)

    def test_of_more_replicates_it_is_that_of_the_first_look(
        self, looked_at: list[pd.DataFrame]
    ) -> None:
        before = _agenda(_study())
        _run(before)
        looked_at.clear()
        more = _study("replicates=7")
        agenda = _agenda(more, before.outcomes, first_look=4)
        assert agenda.radius_range == ENDS  # all that it needs is stored
        assert set(looked_at[0]["replicate"]) == {0, 1, 2, 3}
        given = _agenda(more, before.outcomes, radius_range=(0.3, 0.4))
        assert len(looked_at) == 1
        assert given.radius_range == (0.3, 0.4)
        assert given.total == agenda.total

    def test_a_range_of_the_study_s_own_needs_no_key(self, looked_at: list[pd.DataFrame]) -> None:
        agenda = _agenda(_study("phases.radius.low=1", "phases.radius.high=2"))
        assert agenda.radius_range == (1, 2)
        phases = [p.phase for p in _run(agenda)]
        assert len(phases) > 0
        assert looked_at == []

    def test_where_none_is_found_there_are_no_such_trials(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(course, "found_range", lambda *_: "it never fails")
        agenda = _agenda(_study())
        assert ("radius", "gsam") in agenda.planned
        packs = _run(agenda)
        assert "radius" not in {p.phase for p in packs}
        assert agenda.radius_range is None
        assert agenda.radius_problem == "it never fails"
        assert agenda.total == len(agenda.outcomes)
        assert agenda.finished


def test_more_replicates_leave_those_before_as_they_are() -> None:
    before, whole = _agenda(_study()), _agenda(_study("replicates=6"), first_look=4)
    _run(before)
    _run(whole)
    grown = _agenda(_study("replicates=6"), before.outcomes, first_look=4)
    run = [trial.key for pack in _run(grown) for trial in pack.trials]
    assert {t.replicate for p in _run(before) for t in p.trials} == set()
    assert len(run) == grown.total - before.total
    assert {o.trial for o in grown.outcomes} == {o.trial for o in whole.outcomes}
    assert {o.trial for o in before.outcomes} < {o.trial for o in grown.outcomes}


def test_carrying_on_hands_out_what_is_missing_whatever_is_stored() -> None:
    whole = _agenda(_study())
    _run(whole)
    expected = {o.trial.key: o.trial for o in whole.outcomes}
    for keep in (3, 7, 11):
        stored = [o for i, o in enumerate(whole.outcomes) if i % keep]
        again = _agenda(_study(), stored)
        packs = _run(again)
        run = [trial.key for pack in packs for trial in pack.trials]
        assert not set(run) & {o.trial.key for o in stored}
        assert {o.trial.key: o.trial for o in again.outcomes} == expected


def _failed(trial: Trial) -> Outcome:
    return Outcome(trial=trial, state=State.FAIL, error="RuntimeError: no")


def _run_without(agenda: Agenda, failing: set[Key]) -> None:
    while (pack := agenda.next_pack()) is not None:
        agenda.record([_failed(t) if t.key in failing else _outcome(t) for t in pack.trials])


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_a_run_whose_failed_trials_are_mended_is_the_one_in_which_they_never_failed(
    kept: int,
) -> None:
    study = _study(*LEARNING)
    whole = _agenda(study)
    _run(whole)
    expected = {o.trial.key: o.trial for o in whole.outcomes}
    own = [t for p in ("map", "tune") for t in _trials(whole, "gsam", p) if t.seed == 0]
    chosen = [t for t in own if t.replicate == 1]
    learnt_from = [t for t in own if t.phase == "tune" and t.point < 8]
    best = [max(ts, key=lambda t: _outcome(t).val_accuracy).key for ts in (chosen, learnt_from)]
    failing = {*best, Key("gsam_matched", "default", 0, 0)}
    first = _agenda(study)
    _run_without(first, failing)
    before = {o.trial.key: o for o in first.outcomes}
    assert before["gsam", "misset", 4, 0].trial != expected["gsam", "misset", 4, 0]

    mended = {"gsam"}
    stored = [o for o in first.outcomes if o.state is State.COMPLETE]
    again = _agenda(study, stored, mended=mended)
    outdated, run = again.take_outdated(), []
    for _ in range(kept):  # killed here, and carried on from what is stored by then
        if (pack := again.next_pack()) is not None:
            again.record([_outcome(trial) for trial in pack.trials])
            outdated += again.take_outdated()
            run += pack.trials
    again = _agenda(study, again.outcomes, mended=mended)
    outdated += again.take_outdated()
    run += [trial for pack in _run(again) for trial in pack.trials]
    outdated += again.take_outdated()

    assert {o.trial.key: o.trial for o in again.outcomes} == expected
    assert again.total == len(again.outcomes) == len(expected)
    assert again.take_outdated() == []
    # What was run again either failed, or lay elsewhere.
    moved = {k for k, o in before.items() if o.trial != expected[k]}
    assert {o.trial.key for o in outdated} == moved - failing
    assert Counter(t.key for t in run) == Counter(failing | moved)
    assert {(key.optimizer, key.phase) for key in moved} == {("gsam", "tune"), ("gsam", "misset")}


def test_without_a_failed_trial_mended_stored_points_stay_whatever_is_drawn_now() -> None:
    whole = _agenda(_study())
    _run(whole)
    moved = [
        dataclasses.replace(o, trial=dataclasses.replace(o.trial, hyperparameters=(("rho", 1.0),)))
        if o.trial.phase == "misset"
        else o
        for o in whole.outcomes
    ]
    again = _agenda(_study(), moved)
    assert again.finished
    assert again.take_outdated() == []


def test_what_ran_twice_counts_once() -> None:
    agenda = _agenda(_study())
    pack = agenda.next_pack()
    assert pack is not None
    outcomes = [_outcome(trial) for trial in pack.trials]
    assert agenda.unknown(outcomes) == outcomes
    agenda.record(outcomes)
    assert agenda.unknown(outcomes) == []


def _fail(agenda: Agenda, guilty: Trial, fault: Fault, most: int = 1000) -> list[int]:
    """Run everything, a pack that holds the guilty trial coming to nothing; its packs' sizes."""
    sizes = []
    while (pack := agenda.next_pack()) is not None and len(sizes) < most:
        if guilty in pack.trials:
            sizes.append(len(pack.trials))
            given_up = agenda.hand_back(pack, fault, "it died")
            if given_up:
                agenda.record(given_up)
        else:
            agenda.record([_outcome(trial) for trial in pack.trials])
    return sizes


def _guilty(study: Study) -> Trial:
    """One of the second pack, so that one succeeds before."""
    agenda = _agenda(study, [])
    agenda.next_pack()
    pack = agenda.next_pack()
    assert pack is not None
    return pack.trials[3]


def test_a_trial_that_kills_its_workers_fails_alone_and_the_others_finish() -> None:
    study = _study()
    agenda = _agenda(study, [])
    guilty = _guilty(study)
    sizes = _fail(agenda, guilty, Fault.WORKER)
    rows = sizes[0]
    assert rows > 1
    assert sizes == [rows] * ATTEMPTS + [1] * ATTEMPTS_ALONE
    assert agenda.finished
    assert len(agenda.outcomes) == agenda.total
    failed = [o for o in agenda.outcomes if o.state is State.FAIL]
    assert [(o.trial, o.error) for o in failed] == [(guilty, "it died")]


def test_the_guilty_trial_of_the_first_pack_is_found_too() -> None:
    agenda = _agenda(_study())
    first = agenda.next_pack()
    assert first is not None
    agenda.hand_back(first, Fault.WORKER, "it died")
    _fail(agenda, first.trials[0], Fault.WORKER)
    failed = [o.trial for o in agenda.outcomes if o.state is State.FAIL]
    assert failed == [first.trials[0]]
    assert len(agenda.outcomes) == agenda.total
    assert not agenda.lost


def test_where_nothing_can_be_run_the_trials_are_not_to_blame() -> None:
    agenda = _agenda(_study())
    handed = 0
    while (pack := agenda.next_pack()) is not None:
        handed += 1
        assert agenda.hand_back(pack, Fault.WORKER, "no such module") == []
    assert handed == ATTEMPTS + HOPELESS * ATTEMPTS_ALONE
    assert agenda.finished
    assert [reason for _, reason in agenda.lost] == ["no such module"] * HOPELESS
    assert agenda.outcomes == ()


def test_a_trial_that_is_run_again_and_cannot_be_fails_again() -> None:
    whole = _agenda(_study())
    _run(whole)
    guilty = next(o.trial.key for o in whole.outcomes if o.trial.phase == "iid")
    stored = [o for o in whole.outcomes if o.trial.key != guilty]
    agenda = _agenda(_study(), stored, retried={guilty})
    found: list[Outcome] = []
    while (pack := agenda.next_pack()) is not None:
        found = agenda.hand_back(pack, Fault.WORKER, "its worker died")
        if found:
            agenda.record(found)
    assert [(o.trial.key, o.state, o.error) for o in found] == [
        (guilty, State.FAIL, "its worker died")
    ]
    assert agenda.finished
    assert agenda.lost == []


def test_a_machine_that_is_taken_away_is_not_held_against_a_pack() -> None:
    agenda = _agenda(_study())
    pack = agenda.next_pack()
    for _ in range(MACHINES - 1):
        assert pack is not None
        assert agenda.hand_back(pack, Fault.MACHINE, "gone") == []
        again = agenda.next_pack()
        assert again == pack
    _run(agenda)


def test_a_pack_that_hangs_is_run_in_its_trials() -> None:
    study = _study()
    agenda = _agenda(study, [])
    guilty = _guilty(study)
    sizes = _fail(agenda, guilty, Fault.TIME)
    assert sizes == [sizes[0], *[1] * ATTEMPTS_ALONE]
    assert [o.trial for o in agenda.outcomes if o.state is State.FAIL] == [guilty]


@pytest.mark.parametrize("rows", [64, 7])
def test_where_memory_is_wanting_all_packs_become_smaller(rows: int) -> None:
    agenda = _agenda(_study(), [], rows=rows)
    pack = agenda.next_pack()
    assert pack is not None
    most = -(-len(pack.trials) // 2)
    agenda.hand_back(pack, Fault.MEMORY, "no memory")
    assert agenda.rows == most
    later = _run(agenda)
    assert max(len(p.trials) for p in later) == most
    assert len(agenda.outcomes) == agenda.total


def test_the_size_that_a_worker_found_to_fit_is_kept() -> None:
    agenda = _agenda(_study(), [], rows=64)
    pack = agenda.next_pack()
    assert pack is not None
    agenda.record([_outcome(trial) for trial in pack.trials], fits=5)
    assert agenda.rows == 5
    assert max(len(p.trials) for p in _run(agenda)) == 5
    assert len(agenda.outcomes) == agenda.total


def test_an_optimizer_of_which_nothing_ran_is_not_mis_set() -> None:
    agenda = _agenda(_study())
    while (pack := agenda.next_pack()) is not None:
        outcomes = [_outcome(trial) for trial in pack.trials]
        if pack.optimizer == "gsam":
            nan = math.nan
            outcomes = [
                dataclasses.replace(o, state=State.FAIL, val_accuracy=nan, error="no")
                for o in outcomes
            ]
        agenda.record(outcomes)
    assert agenda.finished
    assert len(agenda.outcomes) == agenda.total
    missets = {o.trial.optimizer for o in agenda.outcomes if o.trial.phase == "misset"}
    assert missets == {"adaptive_gsam"}


def test_after_the_deadline_no_pack_is_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 500.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    agenda = _agenda(_study(), [], deadline=1000.0)
    pack = agenda.next_pack()
    assert pack is not None
    now = 2000.0
    assert agenda.next_pack() is None
    assert not agenda.finished  # a pack is still running
    agenda.record([_outcome(trial) for trial in pack.trials])
    assert agenda.finished
