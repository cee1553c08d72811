"""Counting what is stored agrees with reading it, wherever it is, and whoever writes to it."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agsam_tune.errors import UsageError
from agsam_tune.recorded import recorded_run
from agsam_tune.reporting import analysed, read_run
from agsam_tune.showing import facts_of
from agsam_tune.showing.counts import Ended, ended_trials
from agsam_tune.store import ResultStore
from agsam_tune.trials import Outcome, State
from tests.dashboard.runs import outcomes_of, small_study, write_manifest, write_run


def ended(folder: Path) -> list[Ended]:
    return ended_trials(folder, recorded_run(folder))


def some_raised(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Every tenth raised."""
    return [
        Outcome(trial=o.trial, state=State.FAIL, error='{"diverged":true,"curve":[1]}')
        if n % 10 == 0
        else o
        for n, o in enumerate(outcomes)
    ]


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_counts_are_those_of_the_analysis(tmp_path: Path, kind: str) -> None:
    study = small_study()
    outcomes = some_raised(outcomes_of(study))[:120]
    location = f"sqlite:///{tmp_path / 'a.db'}"
    if kind == "journal":
        write_run(tmp_path, study, outcomes)
    else:
        write_manifest(tmp_path, study, storage=location)
        with closing(ResultStore.open(study, location)) as store:
            store.add(outcomes)
    facts = facts_of(tmp_path)
    found = analysed(read_run(tmp_path, curves=False)).counts
    total = facts.total
    assert total.trials == found.trainings == len(outcomes)
    assert total.raised == found.failed > 0
    assert total.diverged == found.diverged > 0
    assert total.collapsed == found.collapsed > total.diverged
    for (optimizer, phase), count in facts.counts.items():
        own = [o for o in outcomes if (o.trial.optimizer, o.trial.phase) == (optimizer, phase)]
        assert count.trials == len(own) > 0


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_what_was_set_aside_counts_no_more_and_what_was_run_again_does(
    tmp_path: Path, kind: str
) -> None:
    study = small_study()
    location = str(tmp_path / "study.journal")
    if kind == "sqlite":
        location = f"sqlite:///{tmp_path / 'a.db'}"
    write_manifest(tmp_path, study, storage=location)
    good = outcomes_of(study)[:20]
    failed = [one for one in some_raised(good) if one.state is State.FAIL]
    with closing(ResultStore.open(study, location)) as store:
        store.add(some_raised(good))
        store.set_aside([one.trial.key for one in failed])
    assert facts_of(tmp_path).total.trials == len(good) - len(failed)
    with closing(ResultStore.open(study, location)) as store:
        store.add(good[:1])
    total = facts_of(tmp_path).total
    assert (total.trials, total.raised) == (len(good) - len(failed) + 1, 0)


def test_a_journal_that_is_written_to_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    study = small_study()
    write_run(tmp_path, study)
    whole = ended(tmp_path)
    journal = tmp_path / "study.journal"
    content = journal.read_bytes()
    journal.write_bytes(content + content.splitlines(keepends=True)[-1][:100])
    assert ended(tmp_path) == whole
    journal.write_bytes(content + b"\0" * 100 + b"\n")
    assert ended(tmp_path) == whole
    journal.write_bytes(content + b'{"op_code":4,\n')
    with pytest.raises(UsageError, match=r"line \d+ of the journal is broken"):
        ended(tmp_path)
    assert not (tmp_path / "study.journal.lock").exists()


def test_what_is_not_the_runs_own_is_not_ended(tmp_path: Path) -> None:
    """Another study in the same journal, a trial written twice, one enqueued by hand."""
    study = small_study()
    outcomes = outcomes_of(study)[:20]
    shared = tmp_path / "shared.journal"
    for name, stored in (("other", outcomes[:7]), ("quick", [*outcomes, outcomes[3]])):
        with closing(
            ResultStore.open(study.model_copy(update={"name": name}), str(shared))
        ) as store:
            store.add(stored)
    run = tmp_path / "run"
    run.mkdir()
    write_manifest(run, study, storage=str(shared))
    last = json.loads(shared.read_bytes().splitlines()[-1])
    by_hand = {**last, "state": 4, "user_attrs": {}}
    with shared.open("a", encoding="utf-8") as file:
        file.write(json.dumps(by_hand) + "\n")
    assert len(ended(run)) == 20


def test_without_a_known_trivial_score_collapsed_are_those_that_diverged(tmp_path: Path) -> None:
    study = small_study()
    outcomes = [replace(o, test_accuracy=0.1) for o in outcomes_of(study)[:30]]
    write_run(tmp_path, study, outcomes)
    write_manifest(tmp_path, study, data={})
    total = facts_of(tmp_path).total
    assert total.collapsed == total.diverged


def test_results_that_are_gone_are_said(tmp_path: Path) -> None:
    write_manifest(tmp_path, small_study())
    with pytest.raises(UsageError, match="results are gone"):
        ended(tmp_path)
