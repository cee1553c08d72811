"""A run carries on with more replicates, look by look, and trains nothing twice."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from agsam_tune import reporting
from agsam_tune.agenda import course
from agsam_tune.executors import inline
from agsam_tune.executors.work import Job, Trained
from agsam_tune.store import ResultStore
from agsam_tune.trials import Key, Outcome, Pack
from tests.run.commands import QUICK, SMALL, TINY, invoke, results

INLINE = ("--executor", "inline")
# Looks at 2, 4 and 8 replicates.
RUN = ("run", QUICK, *SMALL, *INLINE, "--set", "analysis.max_replicates=8")
EACH = 34  # trials of a replicate


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Key]:
    """Every trial that is trained from now on."""
    found: list[Key] = []

    def train(job: Job, pack: Pack) -> Trained:
        found.extend(trial.key for trial in pack.trials)
        return original(job, pack)

    original = inline.train
    monkeypatch.setattr(inline, "train", train)
    return found


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the reports of the looks to come say, one after another."""
    says: list[str] = []

    def report_run(path: Path) -> SimpleNamespace:
        reporting.write_trials(path)
        verdict = says.pop(0)
        return SimpleNamespace(claim=SimpleNamespace(verdict=verdict, text=f"It is {verdict}."))

    monkeypatch.setattr(reporting, "report_run", report_run)
    yield says
    assert not says


def manifest(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "manifest.json").read_text())
    return found


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """A run that begins with four replicates."""
    out = tmp_path_factory.mktemp("four") / "run"
    assert invoke(*RUN, "--set", "replicates=4", "--out", out).returncode == 0
    return results(out)


def test_more_replicates_append_and_fewer_take_nothing_away(
    four: pd.DataFrame, tmp_path: Path, trained: list[Key]
) -> None:
    out = tmp_path / "run"
    assert invoke(*RUN, "--out", out).returncode == 0
    assert len(trained) == 2 * EACH
    assert manifest(out)["looks"] == [2]
    done = invoke(*RUN, "--set", "replicates=4", "--out", out)
    assert done.returncode == 0, done.stderr
    assert len(trained) == len(set(trained)) == 4 * EACH
    pd.testing.assert_frame_equal(results(out), four, check_exact=True)
    assert manifest(out)["looks"] == [2, 4]
    done = invoke(*RUN, "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"all {4 * EACH} trials are stored; nothing is left" in done.stdout
    assert "has 4 replicates already, and keeps them; 2 were asked for" in done.stdout
    assert manifest(out)["looks"] == [2, 4]
    assert len(manifest(out)["data"]["replicates"]) == 4  # type: ignore[index,call-overload]


def test_the_lengths_of_steps_that_the_first_look_found_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = ("run", QUICK, *TINY, *INLINE, "--set", "phases.tune.points=1", "--out", out)
    assert invoke(*small).returncode == 0
    found = manifest(out)["radius_range"]
    assert found is not None
    assert invoke(*small, "--set", "replicates=3").returncode == 0
    assert manifest(out)["radius_range"] == found
    lengths = results(out).query("phase == 'radius'").groupby("replicate")["rho"]
    assert lengths.size().tolist() == [8, 8, 8]
    assert lengths.min().min() >= found[0]  # type: ignore[index]
    assert lengths.max().max() <= found[1]  # type: ignore[index]


def test_more_than_was_planned_for_is_refused_once_it_was_looked_at(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert invoke(*RUN, "--out", out, "--time-budget", "0s").returncode == 3
    many = ("--set", "replicates=9", "--out", out, "--time-budget", "0s")
    assert invoke(*RUN, *many).returncode == 3  # nobody has seen anything
    values = {**manifest(out), "looks": [2]}
    values["study"]["replicates"] = 2  # type: ignore[index]
    (out / "manifest.json").write_text(json.dumps(values))
    done = invoke(*RUN, *many)
    assert done.returncode == 2
    assert "found replicates 9, allowed: up to 8" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("format"), "holds a run of the first design"),
        (lambda m: m.update(format=3), "found format 3, allowed: 1 to 2"),
        (lambda m: m["data"]["replicates"][1].update(digest="0" * 64), "data of replicate 1: 0000"),
    ],
)
def test_what_cannot_be_carried_on_is_refused_in_one_line(
    change: Callable[[dict[str, object]], object], words: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert invoke(*RUN, "--out", out, "--time-budget", "0s").returncode == 3
    values = manifest(out)
    change(values)
    (out / "manifest.json").write_text(json.dumps(values))
    done = invoke(*RUN, "--out", out)
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert manifest(out) == values


def until_decided(out: Path, *more: str) -> object:
    return invoke(*RUN, "--report", "--until-decided", "--out", out, *more)


def test_it_goes_on_until_it_is_decided(
    four: pd.DataFrame, tmp_path: Path, trained: list[Key], verdicts: list[str]
) -> None:
    out = tmp_path / "run"
    verdicts += ["undecided", "supported"]
    done = until_decided(out)
    assert done.returncode == 0, done.stderr
    for words in (
        "quick, look 1 of up to 3: 2 replicates: ",
        "Undecided at 2 replicates; next is look 2 of up to 3, 4 replicates",
        "quick, look 2 of up to 3: 4 replicates: ",
        "It is supported.",
    ):
        assert words in done.stdout
    assert len(trained) == len(set(trained)) == 4 * EACH
    assert manifest(out)["looks"] == [2, 4]
    pd.testing.assert_frame_equal(results(out), four, check_exact=True)
    # What is decided is decided.
    verdicts.append("supported")
    assert until_decided(out).returncode == 0
    assert len(trained) == 4 * EACH


def test_the_last_look_is_the_end_whatever_it_says(
    tmp_path: Path, trained: list[Key], verdicts: list[str]
) -> None:
    out = tmp_path / "run"
    verdicts += ["undecided"] * 3
    done = until_decided(out)
    assert done.returncode == 0, done.stderr
    assert manifest(out)["looks"] == [2, 4, 8]
    assert len(trained) == len(set(trained)) == 8 * EACH


def test_what_more_replicates_cannot_decide_is_the_end(
    tmp_path: Path, trained: list[Key], verdicts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    monkeypatch.setattr(course, "found_range", lambda *_: "no length is known")
    verdicts.append("undecided")
    small = ("run", QUICK, *TINY, *INLINE, "--set", "analysis.max_replicates=8", "--out", out)
    done = invoke(*small, "--report", "--until-decided")
    assert done.returncode == 0, done.stderr
    assert "No trials of the phase radius: no length is known" in done.stdout
    assert "more replicates cannot decide it without the phase radius" in done.stdout
    assert manifest(out)["looks"] == [2]
    assert {key.point for key in trained if key.phase == "default"} == {0, 1}


def test_an_interrupted_run_goes_on_at_the_same_look(
    four: pd.DataFrame,
    tmp_path: Path,
    trained: list[Key],
    verdicts: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "run"
    verdicts.append("undecided")

    def interrupted(store: ResultStore, outcomes: list[Outcome]) -> None:
        original(store, outcomes)
        if len(trained) > 3 * EACH:
            raise KeyboardInterrupt

    original = ResultStore.add
    with monkeypatch.context() as patch:
        patch.setattr(ResultStore, "add", interrupted)
        done = until_decided(out)
    assert done.returncode == 3, done.stderr
    assert 3 * EACH < len(trained) < 4 * EACH
    assert manifest(out)["looks"] == [2]
    verdicts.append("no_difference")
    done = until_decided(out)
    assert done.returncode == 0, done.stderr
    assert "look 2 of up to 3: 4 replicates" in done.stdout
    assert "look 1" not in done.stdout
    assert len(trained) == len(set(trained)) == 4 * EACH
    pd.testing.assert_frame_equal(results(out), four, check_exact=True)


def test_a_look_is_read_from_its_report(tmp_path: Path) -> None:
    done = invoke(*RUN, "--until-decided", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "leave out --no-report" in done.stderr
    assert not (tmp_path / "run").exists()
