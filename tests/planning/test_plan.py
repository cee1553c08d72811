"""`agsam-tune plan`: what is left to run, what it takes and what it can find."""

import itertools
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from agsam_tune.cli import app
from agsam_tune.executors.checks import packs_at_once
from agsam_tune.planning import pilot, study_plan
from agsam_tune.planning.alike import unlike_searches
from agsam_tune.planning.costs import Cost, _line
from agsam_tune.planning.detectable import Detectable, Sample
from agsam_tune.planning.pilot import Pilot
from agsam_tune.planning.schedule import play
from agsam_tune.planning.study_plan import StudyPlan
from agsam_tune.planning.texts import described, short
from agsam_tune.planning.words import hours, of_a_trial
from agsam_tune.provenance import versions
from agsam_tune.study import Resources, Study, load_study
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.task import Task
from agsam_tune.trials import Outcome, State
from agsam_tune.words import percentage_points, significant
from tests.dashboard.runs import write_manifest, write_run

QUICK = Path(__file__).parents[2] / "studies" / "quick.toml"
ENGINE = {"way": "stacked", "rows": 64, "seconds": {"stacked": 1e-3}}
FEW = ("training.epochs=1", "phases.map.points=8", "phases.map.replicates=2")
# So large a margin that nothing else is looked at.
SURE = (*FEW, "analysis.margin=0.9")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agsam_tune.engine.gpu_is_available", lambda: False)
    monkeypatch.setattr("agsam_tune.engine.gpu_count", lambda: 0)


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def _study(*overrides: str) -> tuple[Study, Task]:
    study = load_study(QUICK, overrides=overrides)
    return study, load_task(study.task, study.task_options, seed=study.seed, import_path=())


def plan_of(*overrides: str, **options: Any) -> StudyPlan:
    """A plan whose packs' computing is known, so that little is measured."""
    given = {"there": {"cpu": 1.0}, "engine": ENGINE, "seconds": 0.001, **options}
    return study_plan(*_study(*overrides), **given)


def ended(study: Study) -> list[Outcome]:
    """All trials of the study, equally good."""
    return [
        Outcome(trial=trial, state=State.COMPLETE, val_accuracy=0.9, test_accuracy=0.9)
        for pack in play(study, (), 64, 1, lambda _: 0.0).packs
        for trial in pack.trials
    ]


def test_plan_says_what_would_run_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticking = SimpleNamespace(perf_counter=itertools.count().__next__)  # each look, a second later
    monkeypatch.setattr("agsam_tune.engine.plan.time", ticking)
    monkeypatch.setattr("agsam_tune.engine.timing.time", ticking)
    sets = [part for override in SURE for part in ("--set", override)]
    out = ("--out", tmp_path / "run", "--json", tmp_path / "plan.json")
    done = command(QUICK, *out, *sets, "--pilot", "2")
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["trials"] == sum(phase["trials"] for phase in plan["phases"])
    assert plan["wall"][0] <= plan["wall"][1] <= plan["wall"][2]
    for text in ("core-hours", "gsam_matched", "misset", "From a pilot of 32 trials"):
        assert text in done.stdout, done.stdout


def test_of_a_run_that_has_begun_the_rest_is_planned(tmp_path: Path) -> None:
    (study, task), run = _study(), tmp_path / "run"
    run.mkdir()
    outcomes = ended(study)
    write_run(run, study, outcomes[:50])
    given = ("--out", run, "--pilot", "0")
    rest = command(QUICK, *given)
    assert rest.stdout.startswith(f"{len(outcomes) - 50} trials left of {len(outcomes)} in ")
    write_run(run, study, outcomes[50:])
    write_manifest(
        run, study, versions=versions(("agsam-tune", "torch", "numpy")), data=task.facts()
    )
    whole = f"{len(outcomes)} trials are stored; nothing is left to run\n"
    assert command(QUICK, *given).stdout == whole
    # A larger study is planned beside it, where it would have a folder of its own.
    larger = (QUICK, *given, "--set", "phases.iid.points=64")
    done = command(*larger)
    assert done.exit_code == 0, done.output
    assert "holds a run of another study, quick; what was changed: phases.iid" in done.stdout
    assert " left of " not in done.stdout.splitlines()[0]
    rest = command(*larger, "--reuse", run)
    assert rest.exit_code == 0, rest.output
    assert " left of " in rest.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.toml",), "none.toml"),
        ((QUICK, "--set", "training.epoch=3"), "did you mean 'epochs'?"),
        ((QUICK, "--json", "none/plan.json"), "there is no folder"),
        ((QUICK, "--set", "resources.cpus=99", "--cpus", "2"), "a pack takes 99, but 2 may be"),
        ((QUICK, "--gpus", "1"), "there is no GPU to use here"),
    ],
)
def test_wrong_use_of_plan(arguments: tuple[str | Path, ...], message: str) -> None:
    done = command(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_plan_in_words_and_in_a_notebook() -> None:
    plan = plan_of(pilot=0, there={"cpu": 3.0, "gpu": 0.0})
    assert plan.places == 3
    assert plan_of(pilot=0, there={"cpu": 3.0}, executor="inline", seconds=0).places == 1
    assert str(plan) == described(plan)
    assert described(plan).startswith(short(plan))
    assert "What the study can find is not known: no pilot was asked for." in described(plan)
    page = plan._repr_html_()
    assert page.count("<tr>") == len(plan.phases) + 2
    assert "core-time" in page
    assert "<script" not in page


@pytest.mark.parametrize("exponent", range(-9, 7))
@pytest.mark.parametrize("digits", [1.0, 1.2, 9.96])
def test_no_number_has_an_exponent(digits: float, exponent: int) -> None:
    value = digits * 10.0**exponent
    for said in (significant, percentage_points, hours, of_a_trial):
        assert not re.search(r"\de[+-]", said(value))
    assert float(significant(value)) == pytest.approx(value, rel=0.05)


def test_numbers_as_people_say_them() -> None:
    assert [percentage_points(x) for x in (0.01, 0.005, 0.123, 1.0)] == [
        *("1 point", "0.5 points", "12 points", "100 points"),
    ]
    assert percentage_points(1.2) == "more than any difference there can be"
    assert [hours(x) for x in (1e-5, 0.5, 123.0)] == ["less than 0.01", "0.5", "120"]
    assert [of_a_trial(x) for x in (0.0686, 0.9999, 11.8, 5400.0)] == [
        *("68.6 ms", "1 s", "11.8 s", "1.5 h"),
    ]


def test_what_cannot_be_found_is_said_in_words() -> None:
    plan = plan_of(pilot=0)
    pilot = Pilot(trials=8, margin=0.5, smallest=1.2, half_width=0.9, wanted=1.0, advice=None)
    text = described(replace(plan, pilot=pilot))
    assert "at the same settings, is more than any difference there can be." in text
    assert "within the margin of 50 points" in text


_SEARCH = ("search_spaces.gsam.lr.low=0.01", "search_spaces.gsam.lr.high=0.5",
           "search_spaces.gsam.lr.default=0.05")  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((), []),
        (
            _SEARCH,
            ["lr, from 0.01 to 0.5 for gsam; not searched (0.1) for adaptive_gsam, gsam_matched."],
        ),
        (
            ("search_spaces.gsam.rho.high=4.0",),
            [
                "rho, from 0.005 to 4 (logarithmic) for gsam; "
                "from 0.005 to 8 (logarithmic) for adaptive_gsam, gsam_matched."
            ],
        ),
        (
            ("search_spaces.gsam_matched.gamma.log=false",),
            [
                "gamma, from 0.001 to 1 (logarithmic) for adaptive_gsam; "
                "from 0.001 to 1 for gsam_matched."
            ],
        ),
        (("search_spaces.gsam.rho.default=1.0",), []),
    ],
)
def test_what_is_not_searched_alike_is_said(overrides: tuple[str, ...], said: list[str]) -> None:
    study, _ = _study(*overrides)
    found = [f"Not searched alike: {one}" for one in said]
    assert list(unlike_searches(study)) == found
    plan = plan_of(*overrides, pilot=0)
    assert [line for line in described(plan).splitlines() if "alike" in line] == found
    assert all(line in plan._repr_html_() for line in found)


def test_where_nothing_is_searched_nothing_is_said() -> None:
    study = _study(*_SEARCH)[0]
    fixed = study.phases[0].model_copy(update={"name": "fixed"})
    assert unlike_searches(study.model_copy(update={"phases": (fixed,)})) == ()


def test_where_there_is_no_gpu_its_trials_are_counted_without_times(tmp_path: Path) -> None:
    done = command(QUICK, "--set", "resources.gpus=1", "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    first, *rest = done.stdout.splitlines()
    assert first.endswith("how long they take is not known: there is no GPU here")
    assert any(line.startswith("misset") for line in rest)


@pytest.mark.parametrize(
    ("resources", "there", "places"),
    [
        ({"cpus": 1, "gpus": 1.0}, {"cpu": 16, "gpu": 1}, 1),
        ({"cpus": 1, "gpus": 0.25}, {"cpu": 16, "gpu": 2}, 8),
        ({"cpus": 8, "gpus": 0.25}, {"cpu": 16, "gpu": 2}, 2),
        ({"cpus": 3, "gpus": 0.0}, {"cpu": 16, "gpu": 0}, 5),
        ({"cpus": 3, "gpus": 0.0}, {"cpu": 2, "gpu": 0}, 0),
    ],
)
def test_packs_at_once(resources: dict, there: dict[str, float], places: int) -> None:
    assert packs_at_once(Resources(**resources), there) == places


def test_gpu_hours_are_a_packs_share_of_its_gpu() -> None:
    there = {"cpu": 16.0, "gpu": 1.0}
    plan = plan_of("resources.gpus=0.25", "resources.cpus=4", there=there, seconds=0, pilot=0)
    assert (plan.device, plan.places) == ("cuda", 4)
    core = sum(p.trials * plan.seconds_per_trial[p.optimizer] for p in plan.phases)
    assert plan.hours == pytest.approx(0.25 * core / 3600)
    assert "GPU-hours" in short(plan)


def test_a_study_without_a_map_is_planned() -> None:
    """Whose points all follow from results, so that none is known before."""
    study, task = _study()
    phases = tuple(phase for phase in study.phases if phase.name != "map")
    study = study.model_copy(update={"phases": phases})
    plan = study_plan(study, task, there={"cpu": 1.0}, engine=ENGINE, seconds=0.001)
    assert set(plan.seconds_per_trial) == set(study.optimizers)
    assert plan.no_pilot == "the study has no map"


@pytest.mark.parametrize(
    ("override", "pilot", "why"),
    [
        ("phases.map.seeds=1", 4, "--set phases.map.seeds=2"),
        ("phases.map.points=4", 4, "more of phases.map.points"),
        ("training.epochs=4", 1, "two replicates or more"),
        ("training.epochs=4", 0, "no pilot was asked for"),
    ],
)
def test_why_there_is_no_pilot(override: str, pilot: int, why: str) -> None:
    plan = plan_of(override, seconds=0, pilot=pilot)
    assert plan.pilot is None
    assert why in plan.no_pilot


@pytest.mark.parametrize(("pilot", "trained"), [(None, False), (2, True)])
def test_a_long_pilot_is_trained_when_asked_for_alone(
    monkeypatch: pytest.MonkeyPatch, pilot: int | None, trained: bool
) -> None:
    monkeypatch.setattr("agsam_tune.planning.pilot._SECONDS", 1e-6)
    plan = plan_of(*SURE, seconds=0, pilot=pilot)
    assert (plan.pilot is not None) is trained
    assert plan.no_pilot.endswith("--pilot 4 trains it") is not trained


def test_a_pilot_takes_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr("agsam_tune.planning.pilot.train", fail)
    mapped = [outcome for outcome in ended(_study(*FEW)[0]) if outcome.trial.phase == "map"]
    known = plan_of(*FEW, stored=mapped, seconds=0)
    assert known.pilot is not None
    assert known.pilot.smallest == pytest.approx(0.0, abs=1e-9)
    assert known.pilot.advice is None


def test_a_plan_outlives_an_interrupted_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agsam_tune.planning.pilot.train", interrupted)
    monkeypatch.setattr("agsam_tune.planning.pilot._SECONDS", 1e9)
    stopped = plan_of(*FEW, seconds=0)
    assert (stopped.trials, stopped.no_pilot) == (318, "the pilot was interrupted")


@pytest.mark.parametrize(
    ("least", "says"),
    [
        (
            6,
            "find 1 point: --set phases.map.points=8 --set phases.map.replicates=2 --set phases.map"
            ".seeds=4 --set phases.misset.seeds=2 would do, with 1.2 times the trials.",
        ),
        (999, "None of the larger studies tried finds 1 point: the largest, with"),
    ],
)
def test_a_study_that_finds_too_little_is_told_the_cheapest_that_finds_enough(
    least: int, says: str
) -> None:
    """Here one finds enough whose map has so many replicates times seeds."""
    study, asked = _study(*FEW)[0], []

    def find(size: Sample) -> Detectable:
        asked.append(size)
        enough = size.replicates * size.seeds >= least
        return Detectable(smallest=0.01 if enough else 0.5, half_width=0.1)

    advice = pilot._advice(study, Sample(replicates=2, seeds=2, judged=2), 4, 0.01, find)
    assert says in advice
    assert len(asked) == len(set(asked))


def test_of_a_finished_run_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("something was measured")

    module = sys.modules["agsam_tune.planning.study_plan"]  # its package has a function of the name
    for name in ("plan", "measured", "from_one_pass"):
        monkeypatch.setattr(module, name, fail)
    study, task = _study()
    stored = ended(study)
    done = study_plan(study, task, stored=stored, there={"cpu": 1.0})
    assert (done.trials, done.stored) == (0, len(stored))


def test_a_pack_costs_something_and_each_row_too() -> None:
    cost = _line({64: 10.0, 16: 4.0})
    assert (cost.pack, cost.row) == (pytest.approx(2.0), pytest.approx(0.125))
    assert cost.trial == pytest.approx(10 / 64)
    assert _line({64: 1.0, 16: 2.0}) == Cost(pack=1.0, row=0.0, rows=64)
    assert _line({64: 64.0, 16: 1.0}) == Cost(pack=0.0, row=1.0, rows=64)
    assert _line({4: 2.0}) == Cost(pack=0.0, row=0.5, rows=4)
