"""Trials of earlier runs are taken over where the study would train them again, and only there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import agsam_tune
from agsam_tune.errors import UsageError
from agsam_tune.executors import inline
from agsam_tune.executors.work import Job, Trained
from agsam_tune.folder import RunFolder
from agsam_tune.importing import ImportOptions, import_trials
from agsam_tune.reuse import earlier_runs
from agsam_tune.store import ResultStore
from agsam_tune.study import Study, load_study
from agsam_tune.trials import Outcome, Pack, State
from tests.run.commands import QUICK, invoke, results, stored, stored_keys
from tests.run.drivers import Driver
from tests.waiting import until

SMALL = [
    *("training.epochs=1", "replicates=2", "phases.map.points=4", "phases.tune.points=10"),
    *("phases.key.points=2", "phases.off.points=2", "phases.misset.points=2"),
    *("phases.radius.points=2", "phases.radius.low=0.1", "phases.radius.high=1.0"),
    *("phases.iid.points=2", "packs.rows=16"),
]
# The same study with more of the map, which chooses the own bests that misset is around.
LARGER = ("phases.map.points=8",)
THREE = ("gsam", "adaptive_gsam", "gsam_matched")
SAM = "optimizers=['gsam', 'adaptive_gsam', 'gsam_matched', 'sam']"


def study(*overrides: str) -> Study:
    return load_study(Path(QUICK), overrides=[*SMALL, *overrides])


def only(whole: Study, *optimizers: str) -> Study:
    """The study of a part of the optimizers."""
    roles = dict.fromkeys(("candidate", "baseline", "control"))
    return whole.model_copy(update={"optimizers": optimizers, **roles})


def run(made: Study, out: Path, *reuse: Path, time_budget: float | None = None) -> pd.DataFrame:
    agsam_tune.run(
        made, out=out, executor="inline", report=False, reuse=reuse, time_budget=time_budget
    )
    return results(out)


def contents(table: pd.DataFrame) -> set[tuple[object, ...]]:
    """What decides the numbers of each trial."""
    return set(_contents(table))


def _contents(table: pd.DataFrame) -> list[tuple[object, ...]]:
    first = table.groupby(["optimizer", "phase", "replicate"])["point"].transform("min")
    found = table.assign(index=table["point"] - first)
    columns = ["optimizer", "phase", "replicate", "index", "seed", "rho", "alpha", "gamma"]
    return [*found[columns].fillna(-1.0).itertuples(index=False, name=None)]


def missing(table: pd.DataFrame, *there: pd.DataFrame) -> int:
    """Trials of the table that the others do not have."""
    had = set().union(*map(contents, there))
    return sum(row not in had for row in _contents(table))


def recorded(out: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((out / "manifest.json").read_text())["reused"]
    return found


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The optimizer and phase of every trial that is trained from now on."""
    found: list[str] = []

    def train(job: Job, pack: Pack) -> Trained:
        found.extend(f"{trial.optimizer}/{trial.phase}" for trial in pack.trials)
        return original(job, pack)

    original = inline.train
    monkeypatch.setattr(inline, "train", train)
    return found


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with four points of the map in each replicate."""
    out = tmp_path_factory.mktemp("reuse") / "first"
    run(study(), out)
    return out


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """A run with eight, all of it trained."""
    return run(study(*LARGER), tmp_path_factory.mktemp("reuse") / "fresh")


@pytest.fixture
def copy(first: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the first run whose manifest says something else."""

    def changed(table: str | None = None, **values: object) -> Path:
        out = tmp_path / "copy"
        shutil.copytree(first, out)
        manifest = json.loads((out / "manifest.json").read_text())
        (manifest if table is None else manifest[table]).update(values)
        (out / "manifest.json").write_text(json.dumps(manifest))
        return out

    return changed


def test_more_points_train_only_what_is_new_and_end_as_a_fresh_run(
    first: Path,
    fresh: pd.DataFrame,
    tmp_path: Path,
    trained: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A Sobol design goes on where it stopped, though its points have other numbers then."""
    found = run(study(*LARGER), tmp_path / "more", first)
    pd.testing.assert_frame_equal(found, fresh, check_exact=True)
    left = missing(fresh, results(first))
    # Of each replicate and optimizer five of the map, and perhaps misset around another best.
    assert 2 * 3 * 5 <= left <= 2 * (3 * 5 + 2 * 2)
    assert len(trained) == left
    said = capsys.readouterr().out
    # Said before training begins; misset is not known by then.
    assert f" of {len(fresh)} trials taken over from {first}; " in said
    (entry,) = recorded(tmp_path / "more")
    assert entry["path"] == str(first)
    assert entry["study_hash"] == study().hash
    assert entry["trials"] == len(fresh) - left


def test_more_replicates_in_a_folder_of_their_own(
    first: Path, tmp_path: Path, trained: list[str]
) -> None:
    found = run(study("replicates=3"), tmp_path / "more", first)
    assert len(trained) == len(found) / 3 == missing(found, results(first))
    kept = found[found["replicate"] < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, results(first), check_exact=True)


def test_a_finished_run_is_taken_over_whole(
    first: Path, tmp_path: Path, trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = agsam_tune.results(first)
    out = tmp_path / "again"
    run(study("analysis.margin=0.01"), out, first)
    total = len(before)
    assert not trained
    assert f"{total} of {total} trials taken over from {first}; 0 left" in capsys.readouterr().out
    # With their curves and seconds, so that the report is the same.
    columns = [name for name in before if name != "trial_number"]
    pd.testing.assert_frame_equal(
        agsam_tune.results(out)[columns], before[columns], check_exact=True
    )
    theirs, ours = (
        {o.trial.key: o.curve for o in ResultStore.read(study(*more), str(journal)).outcomes()}
        for more, journal in (
            ((), first / "study.journal"),
            (("analysis.margin=0.01",), out / "study.journal"),
        )
    )
    assert theirs == ours
    assert any(curve.f for curve in ours.values())


def test_another_optimizer_from_two_runs(first: Path, tmp_path: Path, trained: list[str]) -> None:
    whole = study(SAM)
    expected = run(whole, tmp_path / "fresh")
    alone = [phase for phase in whole.phases if phase.name in ("map", "default")]
    run(only(whole, "sam").model_copy(update={"phases": tuple(alone)}), tmp_path / "sam")
    del trained[:]
    run(whole, tmp_path / "one", first)
    assert {name.split("/")[0] for name in trained} == {"sam"}
    del trained[:]
    found = run(whole, tmp_path / "two", first, tmp_path / "sam")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    # The first coordinate of a Sobol design is the same one over fewer hyperparameters.
    assert trained == []
    counts = [entry["trials"] for entry in recorded(tmp_path / "two")]
    assert sum(map(int, map(str, counts))) == len(found)
    assert all(counts)


def test_an_interrupted_run_goes_on_and_takes_nothing_twice(
    first: Path, fresh: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "more"

    def interrupted(store: ResultStore, outcomes: list[Outcome]) -> None:
        original(store, outcomes[:10])
        raise KeyboardInterrupt

    original = ResultStore.add
    with monkeypatch.context() as patch:
        patch.setattr(ResultStore, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(study(*LARGER), out, first)
    assert len(stored_keys(out)) == 10
    # Out of time, it takes over what it can, and trains nothing.
    run(study(*LARGER), out, first, time_budget=0)
    taken = stored_keys(out)
    assert 10 < len(taken) == recorded(out)[0]["trials"]
    # What is taken over is the run's own from then on, whether its source is named again or not.
    found = run(study(*LARGER), out)
    pd.testing.assert_frame_equal(found, fresh, check_exact=True)
    assert len(set(stored_keys(out))) == len(stored_keys(out)) == len(fresh)
    assert stored_keys(out)[: len(taken)] == taken
    assert recorded(out)[0]["trials"] == len(taken)


@pytest.mark.slow
def test_kill_9_amid_training(first: Path, fresh: pd.DataFrame, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    overrides = [word for key in (*SMALL, *LARGER) for word in ("--set", key)]
    arguments = ["run", QUICK, *overrides, "--executor", "inline", "--no-report"]
    arguments += ["--reuse", str(first), "--out", str(out)]
    driver = Driver(*arguments, output=tmp_path / "output")
    until(lambda: stored(out) >= 100, while_true=driver.works)
    driver.kill()
    done = invoke(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    pd.testing.assert_frame_equal(results(out), fresh, check_exact=True)
    assert len(set(stored_keys(out))) == len(stored_keys(out)) == len(fresh)


def test_a_failed_trial_is_not_taken_over(
    first: Path, fresh: pd.DataFrame, tmp_path: Path, trained: list[str]
) -> None:
    small, failed = study(), tmp_path / "failed"
    failed.mkdir()
    shutil.copy(first / "manifest.json", failed)
    store = ResultStore.open(small, str(failed / "study.journal"))
    lost = 0
    for outcome in ResultStore.read(small, str(first / "study.journal")).outcomes():
        if outcome.trial.phase == "default" and outcome.trial.replicate == 1:
            lost += 1
            store.add([Outcome(trial=outcome.trial, state=State.FAIL, error="the disk was full")])
        else:
            store.add([outcome])
    found = run(small, tmp_path / "mended", failed)
    assert lost == 3
    assert sorted(trained) == sorted(f"{name}/default" for name in THREE)
    pd.testing.assert_frame_equal(found, results(first), check_exact=True)


def test_a_plan_counts_what_is_there(first: Path, fresh: pd.DataFrame, tmp_path: Path) -> None:
    plan = agsam_tune.plan(study(*LARGER), out=tmp_path / "more", pilot=0, reuse=[first])
    assert plan.stored + plan.trials == len(fresh)
    # Misset is due when what it follows from is there.
    assert plan.stored == missing(results(first)) - 2 * 2 * 2
    assert plan.way == json.loads((first / "manifest.json").read_text())["engine"]["way"]
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.lr=0.2", "training.lr: 0.1 → 0.2"),
        ("seed=1", "seed: 0 → 1"),
        ("data='fixed'", "data: 'per_replicate' → 'fixed'"),
        ("task_options.noise=0.4", "task_options.noise: 0.3 → 0.4"),
        ("packs.way=rows", "packs.way: compiled → rows"),
    ],
)
def test_what_decides_the_numbers_must_be_the_same(
    override: str, words: str, first: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        run(study(override), tmp_path / "more", first)
    assert f"not the same there and here: {words}. " in str(caught.value)
    assert str(caught.value).startswith(f"{first}: none of its trials")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize(
    ("table", "values", "words"),
    [
        (
            "data",
            {"replicates": [{"digest": "0123456789abcdef"}]},
            "data of replicate 0: 0123456789ab → ",
        ),
        (None, {"format": 1}, "is of the first design"),
        ("versions", {"torch": "1.0"}, "versions.torch: 1.0 → "),
        (None, {"device": "cuda (some card)"}, "resources.gpus: cuda → cpu"),
    ],
)
def test_so_must_what_the_study_does_not_say(
    table: str | None,
    values: dict[str, object],
    words: str,
    copy: Callable[..., Path],
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=words.replace("(", r"\(")):
        run(study(), tmp_path / "more", copy(table, **values))
    assert not (tmp_path / "more").exists()


def test_the_way_of_computing_is_theirs(copy: Callable[..., Path], first: Path) -> None:
    stacked, folder = copy("engine", way="stacked"), RunFolder(path=Path("nowhere"))
    assert earlier_runs([stacked], study(), folder).study.packs.way == "stacked"
    assert earlier_runs([], study(), folder).study.packs.way == "auto"
    with pytest.raises(UsageError, match=r"packs\.way: compiled → stacked"):
        earlier_runs([stacked, first], study(), folder)


def test_an_optimizer_that_means_something_else_is_not_taken_over(first: Path) -> None:
    new = study()
    spaces = dict(new.search_spaces)
    spaces["gsam"] = spaces["gsam"].model_copy(update={"rule": "mine:gsam"})
    changed = new.model_copy(update={"search_spaces": spaces})
    runs = earlier_runs([first], changed, RunFolder(path=Path("nowhere")))
    manifest = json.loads((first / "manifest.json").read_text())
    made = runs.read(manifest["data"])
    assert {content.optimizer for content in made.outcomes} == {"adaptive_gsam", "gsam_matched"}


def test_a_changed_study_in_its_old_folder_is_told_of_reuse(first: Path) -> None:
    with pytest.raises(UsageError, match=f"with --out, where --reuse {first} takes over"):
        run(study(*LARGER), first)


def test_folders_that_cannot_be_reused(first: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run is here"):
        run(study(), tmp_path / "more", tmp_path / "none")
    with pytest.raises(UsageError, match="is the folder of this run"):
        run(study(), first, first)
    table = tmp_path / "trials.csv"
    agsam_tune.results(first).to_csv(table, index=False)
    imported = tmp_path / "imported"
    import_trials(ImportOptions(source=str(table), out=imported, chance=0.5))
    with pytest.raises(UsageError, match="its trials were imported"):
        run(study(), tmp_path / "more", imported)
