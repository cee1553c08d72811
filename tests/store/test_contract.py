"""One contract over all storages: what is written is read back, whole, once and in order."""

import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from agsam_tune.store import ResultStore, StorageError
from agsam_tune.study import Study
from agsam_tune.trials import Outcome
from tests.store.conftest import KINDS
from tests.store.outcomes import (
    DIVERGED,
    EXTREME,
    FAILED,
    HOSTILE,
    LONG,
    STUDY,
    bare,
    named,
    outcome,
    points,
)
from tests.store.writers import Writer


@contextmanager
def opened(location: str, study: Study = STUDY) -> Iterator[ResultStore]:
    with closing(ResultStore.open(study, location)) as store:
        yield store


def read(location: str, study: Study = STUDY) -> list[Outcome]:
    with closing(ResultStore.read(study, location)) as store:
        return list(store.outcomes())


def test_what_is_written_is_read_back_exactly(location: str) -> None:
    written = [outcome(), DIVERGED, EXTREME, FAILED, LONG, outcome(seed=1, error=None)]
    with opened(location) as store:
        store.add(written)
        # `repr` tells −0.0 from 0.0 and NaN from None, and has every digit.
        assert sorted(map(repr, store.outcomes())) == sorted(map(repr, map(bare, written)))
    assert sorted(map(repr, read(location))) == sorted(map(repr, written))


def test_hyperparameters_keep_every_digit(location: str) -> None:
    values = (("rho", 0.1 + 0.2), ("alpha", 5e-324))
    trial = dataclasses.replace(outcome().trial, hyperparameters=values)
    with opened(location) as store:
        store.add([outcome(trial=trial)])
    assert read(location)[0].trial == trial


def test_outcomes_come_by_optimizer_then_as_written(location: str) -> None:
    random.seed(0)
    numbers = random.sample(range(20), 8)
    written = [outcome(o, n) for n in numbers for o in ("gsam_matched", "gsam")]
    with opened(location) as store:
        store.add(written)
        numbered = list(store.numbered_outcomes())
    ordered = sorted(written, key=lambda o: STUDY.optimizers.index(o.trial.optimizer))
    assert [o for o, _ in numbered] == list(map(bare, ordered))
    assert read(location) == ordered
    assert [n for _, n in numbered] == [*range(8), *range(8)]


def test_a_reader_is_given_what_is_new_once(location: str) -> None:
    with opened(location) as store:
        store.add([outcome(), outcome("gsam_matched")])
        with closing(ResultStore.read(STUDY, location)) as reader:
            assert [s.number for s in reader.new_outcomes()] == [0, 0]
            assert list(reader.new_outcomes()) == []
            # A key that came before, and one that did not.
            store.add([outcome(val_accuracy=0.1), DIVERGED])
            (new,) = reader.new_outcomes()
            assert new.number == 2
            assert new.written is not None
            assert repr(new.outcome) == repr(DIVERGED)
            assert list(reader.new_outcomes()) == []


def test_of_a_key_that_comes_twice_the_first_counts(location: str) -> None:
    with opened(location) as store:
        store.add([outcome(), outcome(point=1), outcome(val_accuracy=0.1)])
        assert list(store.outcomes()) == [bare(outcome()), bare(outcome(point=1))]


def test_what_is_set_aside_counts_no_more_and_may_come_again(location: str) -> None:
    again = outcome("adaptive_gsam", val_accuracy=0.6)
    with opened(location) as store:
        store.add([outcome(), FAILED, DIVERGED, outcome(val_accuracy=0.1)])
        assert store.mended() == frozenset()
        with closing(ResultStore.read(STUDY, location)) as reader:
            assert len(list(reader.new_outcomes())) == 3
            store.set_aside({FAILED.trial.key, outcome().trial.key})
            assert [o.trial.key for o in store.outcomes()] == [DIVERGED.trial.key]
            assert list(reader.new_outcomes()) == []
            store.add([again])
            (new,) = reader.new_outcomes()
            assert (new.outcome, new.number) == (again, 1)
            assert list(reader.new_outcomes()) == []
        assert store.mended() == {"gsam", "adaptive_gsam"}
    with opened(location) as store:  # a driver that carries on
        assert [o.trial.key for o in store.outcomes()] == [DIVERGED.trial.key, again.trial.key]
        store.set_aside({DIVERGED.trial.key})
        assert list(store.outcomes()) == [bare(again)]
        # Nothing is lost: Optuna has them all, and none of them is RUNNING.
        states = [t.state.name for t in store._optuna["adaptive_gsam"].get_trials(deepcopy=False)]
        assert states == ["FAIL", "COMPLETE"]
        assert len(store._optuna["gsam"].get_trials(deepcopy=False)) == 3


def test_an_iid_trial_that_is_set_aside_changes_no_other_point(location: str) -> None:
    trial = dataclasses.replace(outcome().trial, phase="iid", replicate=3, index=2)
    with opened(location) as store:
        store.add([outcome(trial=trial)])
        store.set_aside({trial.key})
        assert store.mended() == frozenset()


def test_a_study_may_have_any_name(location: str) -> None:
    names = ["it's", "%s %(a)s {} {0}", "a'; DROP TABLE studies; --", HOSTILE[:-1].strip("\0"), "A"]
    names = [name.replace("\0", "").replace("\ud800", "") for name in names]
    for number, name in enumerate(names):
        with opened(location, named(name)) as store:
            store.add([outcome(point=number)])
    for number, name in enumerate(names):
        assert read(location, named(name)) == [outcome(point=number)]


def test_another_study_of_that_name_is_refused(location: str) -> None:
    with opened(location) as store:
        store.add([outcome()])
    other = Study.from_resolved(STUDY.resolved() | {"seed": 1})
    with pytest.raises(StorageError, match="another study called quick/"):
        ResultStore.open(other, location)
    with pytest.raises(StorageError, match="another study called quick/"):
        ResultStore.read(other, location)
    assert read(location) == [outcome()]


def test_reading_creates_nothing(location: str, new_location: Callable[[str], str]) -> None:
    with pytest.raises(StorageError, match=r"there is no|holds no results"):
        ResultStore.read(STUDY, location)
    with opened(location, named("other")):
        pass
    with pytest.raises(StorageError, match="no study called quick/"):
        ResultStore.read(STUDY, location)


def test_trials_of_others_in_the_same_study_are_left_alone(location: str) -> None:
    with opened(location) as store:
        store.add([outcome()])
        store._optuna["gsam"].enqueue_trial({"rho": 0.2, "alpha": 0.1})
        assert list(store.outcomes()) == [bare(outcome())]


def test_optuna_reads_it_as_it_is(location: str) -> None:
    with opened(location) as store:
        store.add([outcome(), DIVERGED, FAILED])
    storage = location if "://" in location else JournalStorage(JournalFileBackend(location))
    study = optuna.load_study(study_name="quick/gsam", storage=storage)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]
    assert study.best_value == 0.8
    assert study.trials[0].params == {"rho": 0.1, "alpha": 0.2}
    assert study.trials[1].user_attrs["diverged"] is True
    failed = optuna.load_study(study_name="quick/adaptive_gsam", storage=storage)
    assert [t.state.name for t in failed.trials] == ["FAIL"]
    for one in (study, failed):
        if "://" in location:
            one._storage._backend.engine.dispose()


def test_it_can_be_read_while_another_writes(location: str) -> None:
    seen = 0
    with Writer.running(location) as writer:
        for _ in range(5):
            writer.wait_for(seen + 1)
            known = writer.stored
            found = read(location)
            assert len(found) >= max(known, seen)
            assert list(map(repr, found)) == list(map(repr, points("gsam", range(len(found)))))
            seen = len(found)
        assert writer.process.is_alive()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_kill_9_leaves_every_trial_whole_or_absent(
    kind: str, kills: int, new_location: Callable[[str], str]
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)
    location, stored = new_location(kind), 0
    for _ in range(kills):
        with Writer.running(location, stored) as writer:
            writer.wait_for(stored + 1)
            time.sleep(rng.uniform(0, 0.05))  # whenever that is
        Path(f"{location}.lock").unlink(missing_ok=True)  # else it is waited for, 5 s
        with opened(location) as store:
            found = list(store.outcomes())
            raw = store._optuna["gsam"].get_trials(deepcopy=False)
        # The last one may have been written without the writer's having been told.
        assert writer.stored <= len(found) <= writer.stored + 1
        assert len(raw) == len(found)
        assert all(trial.state.is_finished() for trial in raw)
        assert list(map(repr, found)) == list(
            map(repr, map(bare, points("gsam", range(len(found)))))
        )
        stored = len(found)
