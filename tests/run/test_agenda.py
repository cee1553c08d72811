"""What is run when: batches of tune, misset after the own best, retries, the deadline."""

import dataclasses
import math
import time
from collections import Counter
from pathlib import Path

import pytest

from agsam_tune.agenda import ATTEMPTS, ATTEMPTS_ALONE, HOPELESS, MACHINES, Agenda, Fault
from agsam_tune.design import tune_batch
from agsam_tune.study import Study, load_study
from agsam_tune.trials import Key, Outcome, Pack, State, Trial

QUICK = Path(__file__).parents[2] / "studies" / "quick.toml"


def _study(*overrides: str) -> Study:
    return load_study(QUICK, overrides=["phases.tune.points=20", *overrides])


def _outcome(trial: Trial, accuracy: float | None = None) -> Outcome:
    """Best at rho = 0.1 on even seeds; on odd seeds at rho = 4."""
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


def test_every_trial_is_handed_out_once() -> None:
    agenda = Agenda(_study(), [])
    trials = [trial.key for pack in _run(agenda) for trial in pack.trials]
    assert len(trials) == len(set(trials)) == agenda.total == len(agenda.outcomes)
    assert agenda.finished


def test_planned_says_what_comes_by_phase_and_optimizer_in_the_study_s_order() -> None:
    agenda = Agenda(_study(), [])
    planned = dict(agenda.planned)
    assert list(dict.fromkeys(phase for phase, _ in planned)) == ["map", "tune", "iid", "misset"]
    _run(agenda)
    assert planned == Counter((o.trial.phase, o.trial.optimizer) for o in agenda.outcomes)


def test_after_a_stop_what_was_begun_is_recorded_and_nothing_is_handed_out() -> None:
    agenda = Agenda(_study(), [])
    begun, waiting = agenda.next_pack(), agenda.next_pack()
    assert begun and waiting
    agenda.stop()
    assert agenda.next_pack() is None
    agenda.take_back(waiting)
    assert not agenda.finished
    agenda.record([_outcome(trial) for trial in begun.trials])
    assert agenda.finished
    carried_on = _run(Agenda(_study(), agenda.outcomes))
    assert begun not in carried_on
    assert waiting in carried_on


def test_the_last_packs_are_divided_among_the_places() -> None:
    agenda = Agenda(_study("phases.tune.points=2"), [])
    whole = {pack.name: len(pack.trials) for pack in _run(agenda)}
    agenda, sizes, running = Agenda(_study("phases.tune.points=2"), []), [], []
    while not agenda.finished:
        while len(running) < 3 and (pack := agenda.next_pack(3)) is not None:
            running.append(pack)
            sizes.append(len(pack.trials))
        agenda.record([_outcome(trial) for trial in running.pop(0).trials])
    assert sum(sizes) == agenda.total == len(agenda.outcomes)
    assert sizes[0] == next(iter(whole.values()))  # while others wait, packs are whole
    assert max(sizes[-3:]) <= -(-list(whole.values())[-1] // 3)


def test_tune_is_told_the_mean_over_the_even_seeds_alone() -> None:
    study = _study("phases.tune.seeds=4")
    agenda = Agenda(study, [])
    _run(agenda)
    outcomes = {o.trial.key: o for o in agenda.outcomes if o.trial.optimizer == "gsam"}
    told = []
    for point in range(16):
        seeds = [outcomes["gsam", "tune", point, seed] for seed in (0, 2)]
        mean = sum(o.val_accuracy for o in seeds) / 2
        told.append((dict(seeds[0].trial.hyperparameters), mean))
    expected = {t.key: t for t in tune_batch(study, "gsam", 1, told)}
    found = {k: o.trial for k, o in outcomes.items() if k.phase == "tune" and k.point >= 16}
    assert found == expected


def test_misset_is_around_the_best_on_even_seeds_of_map_and_tune() -> None:
    agenda = Agenda(_study(), [])
    packs = _run(agenda)
    first = next(i for i, p in enumerate(packs) if (p.phase, p.optimizer) == ("misset", "gsam"))
    before = [(p.phase, p.optimizer) for p in packs[:first]]
    after = [(p.phase, p.optimizer) for p in packs[first:]]
    assert ("map", "gsam") in before
    assert ("map", "gsam") not in after
    assert ("tune", "gsam") not in after
    even = [
        o.trial
        for o in agenda.outcomes
        if o.trial.optimizer == "gsam" and o.trial.phase in {"map", "tune"} and not o.trial.seed % 2
    ]
    best = max(even, key=lambda trial: _outcome(trial).val_accuracy)
    centre = {
        t.hyperparameters
        for p in packs[first:]
        for t in p.trials
        if (t.phase, t.optimizer, t.point) == ("misset", "gsam", 0)
    }
    assert centre == {best.hyperparameters}


def test_carrying_on_hands_out_what_is_missing_whatever_is_stored() -> None:
    whole = Agenda(_study(), [])
    _run(whole)
    expected = {o.trial.key: o.trial for o in whole.outcomes}
    for keep in (3, 7, 11):
        stored = [o for i, o in enumerate(whole.outcomes) if i % keep]
        again = Agenda(_study(), stored)
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
    study = _study()
    whole = Agenda(study, [])
    _run(whole)
    expected = {o.trial.key: o.trial for o in whole.outcomes}
    centre = expected["gsam", "misset", 0, 2].hyperparameters
    failing = {k for k, t in expected.items() if t.hyperparameters == centre and k.phase == "map"}
    failing |= {k for k, t in expected.items() if t.hyperparameters == centre and k.phase == "tune"}
    failing |= {Key("gsam", "tune", 3, 0), Key("gsam_matched", "iid", 0, 0)}
    first = Agenda(study, [])
    _run_without(first, failing)
    before = {o.trial.key: o for o in first.outcomes}
    assert before["gsam", "misset", 0, 2].trial != expected["gsam", "misset", 0, 2]

    mended = {"gsam"}
    stored = [o for o in first.outcomes if o.state is State.COMPLETE]
    again = Agenda(study, stored, mended=mended)
    outdated, run = again.take_outdated(), []
    for _ in range(kept):  # killed here, and carried on from what is stored by then
        if (pack := again.next_pack()) is not None:
            again.record([_outcome(trial) for trial in pack.trials])
            outdated += again.take_outdated()
            run += pack.trials
    again = Agenda(study, again.outcomes, mended=mended)
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
    assert {key.optimizer for key in moved} == {"gsam"}


def test_without_a_failed_trial_mended_stored_points_stay_whatever_is_drawn_now() -> None:
    whole = Agenda(_study(), [])
    _run(whole)
    moved = [
        dataclasses.replace(o, trial=dataclasses.replace(o.trial, hyperparameters=(("rho", 1.0),)))
        if o.trial.phase == "misset"
        else o
        for o in whole.outcomes
    ]
    again = Agenda(_study(), moved)
    assert again.finished
    assert again.take_outdated() == []


def test_what_ran_twice_counts_once() -> None:
    agenda = Agenda(_study(), [])
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
    agenda = Agenda(study, [])
    agenda.next_pack()
    pack = agenda.next_pack()
    assert pack is not None
    return pack.trials[3]


def test_a_trial_that_kills_its_workers_fails_alone_and_the_others_finish() -> None:
    study = _study()
    agenda = Agenda(study, [])
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
    agenda = Agenda(_study(), [])
    first = agenda.next_pack()
    assert first is not None
    agenda.hand_back(first, Fault.WORKER, "it died")
    _fail(agenda, first.trials[0], Fault.WORKER)
    failed = [o.trial for o in agenda.outcomes if o.state is State.FAIL]
    assert failed == [first.trials[0]]
    assert len(agenda.outcomes) == agenda.total
    assert not agenda.lost


def test_where_nothing_can_be_run_the_trials_are_not_to_blame() -> None:
    agenda = Agenda(_study(), [])
    handed = 0
    while (pack := agenda.next_pack()) is not None:
        handed += 1
        assert agenda.hand_back(pack, Fault.WORKER, "no such module") == []
    assert handed == ATTEMPTS + HOPELESS * ATTEMPTS_ALONE
    assert agenda.finished
    assert [reason for _, reason in agenda.lost] == ["no such module"] * HOPELESS
    assert agenda.outcomes == ()


def test_a_trial_that_is_run_again_and_cannot_be_fails_again() -> None:
    whole = Agenda(_study(), [])
    _run(whole)
    guilty = next(o.trial.key for o in whole.outcomes if o.trial.phase == "iid")
    stored = [o for o in whole.outcomes if o.trial.key != guilty]
    agenda = Agenda(_study(), stored, retried={guilty})
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
    agenda = Agenda(_study(), [])
    pack = agenda.next_pack()
    for _ in range(MACHINES - 1):
        assert pack is not None
        assert agenda.hand_back(pack, Fault.MACHINE, "gone") == []
        again = agenda.next_pack()
        assert again == pack
    _run(agenda)


def test_a_pack_that_hangs_is_run_in_its_trials() -> None:
    study = _study()
    agenda = Agenda(study, [])
    guilty = _guilty(study)
    sizes = _fail(agenda, guilty, Fault.TIME)
    assert sizes == [sizes[0], *[1] * ATTEMPTS_ALONE]
    assert [o.trial for o in agenda.outcomes if o.state is State.FAIL] == [guilty]


@pytest.mark.parametrize("rows", [64, 7])
def test_where_memory_is_wanting_all_packs_become_smaller(rows: int) -> None:
    agenda = Agenda(_study(), [], rows=rows)
    pack = agenda.next_pack()
    assert pack is not None
    most = -(-len(pack.trials) // 2)
    agenda.hand_back(pack, Fault.MEMORY, "no memory")
    assert agenda.rows == most
    later = _run(agenda)
    assert max(len(p.trials) for p in later) == most
    assert len(agenda.outcomes) == agenda.total


def test_the_size_that_a_worker_found_to_fit_is_kept() -> None:
    agenda = Agenda(_study(), [], rows=64)
    pack = agenda.next_pack()
    assert pack is not None
    agenda.record([_outcome(trial) for trial in pack.trials], fits=5)
    assert agenda.rows == 5
    assert max(len(p.trials) for p in _run(agenda)) == 5
    assert len(agenda.outcomes) == agenda.total


def test_an_optimizer_of_which_nothing_ran_is_not_mis_set() -> None:
    agenda = Agenda(_study(), [])
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
    assert missets == {"adaptive_gsam", "gsam_matched"}


def test_after_the_deadline_no_pack_is_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 500.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    agenda = Agenda(_study(), [], deadline=1000.0)
    pack = agenda.next_pack()
    assert pack is not None
    now = 2000.0
    assert agenda.next_pack() is None
    assert not agenda.finished  # a pack is still running
    agenda.record([_outcome(trial) for trial in pack.trials])
    assert agenda.finished
