"""Counting what is stored agrees with reading it, wherever it is, and whoever writes to it."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agsam_tune.errors import UsageError
from agsam_tune.recorded import recorded_run
from agsam_tune.reporting import analysed, read_run
from agsam_tune.showing.counts import Count, count_trials
from agsam_tune.store import ResultStore
from agsam_tune.trials import Outcome, State
from tests.dashboard.runs import outcomes_of, small_study, write_manifest, write_run


def counted(folder: Path) -> dict[str, Count]:
    return count_trials(folder, recorded_run(folder))


def some_raised(outcomes: list[Outcome]) -> list[Outcome]:
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
    counts = counted(tmp_path)
    summary = analysed(read_run(tmp_path, curves=False))[2]
    assert list(counts) == list(study.optimizers)
    assert sum(c.trials for c in counts.values()) == len(outcomes)
    assert sum(c.raised for c in counts.values()) == summary["n_raised"] > 0
    assert sum(c.diverged for c in counts.values()) == summary["n_diverged"] > 0
    assert sum(c.failed for c in counts.values()) == summary["n_failed"] > 0


def test_a_journal_that_is_written_to_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    study = small_study()
    write_run(tmp_path, study)
    whole = counted(tmp_path)
    journal = tmp_path / "study.journal"
    content = journal.read_bytes()
    journal.write_bytes(content + content.splitlines(keepends=True)[-1][:100])
    assert counted(tmp_path) == whole
    journal.write_bytes(content + b"\0" * 100 + b"\n")
    assert counted(tmp_path) == whole
    journal.write_bytes(content + b'{"op_code":4,\n')
    with pytest.raises(UsageError, match=r"line \d+ of the journal is broken"):
        counted(tmp_path)
    assert not (tmp_path / "study.journal.lock").exists()


def test_what_is_not_the_runs_own_is_not_counted(tmp_path: Path) -> None:
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
    assert sum(c.trials for c in counted(run).values()) == 20


def test_without_a_known_chance_failed_are_those_that_diverged(tmp_path: Path) -> None:
    study = small_study()
    outcomes = [replace(o, test_accuracy=0.1) for o in outcomes_of(study)[:30]]
    write_run(tmp_path, study, outcomes)
    write_manifest(tmp_path, study, data={})
    counts = counted(tmp_path)
    assert sum(c.failed for c in counts.values()) == sum(c.diverged for c in counts.values())


def test_results_that_are_gone_are_said(tmp_path: Path) -> None:
    write_manifest(tmp_path, small_study())
    with pytest.raises(UsageError, match="results are gone"):
        counted(tmp_path)
