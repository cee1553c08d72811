"""`agsam-tune plan`, and the forecast against what a training takes."""

import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agsam_tune.design import drawn_trials
from agsam_tune.engine import pack_time, timing, train_pack
from agsam_tune.engine.evaluation import mean_loss
from agsam_tune.executors.checks import packs_at_once
from agsam_tune.planning import study_plan
from agsam_tune.planning.alike import unlike_searches
from agsam_tune.planning.costs import Cost, _line
from agsam_tune.planning.pilot import Pilot
from agsam_tune.planning.schedule import play
from agsam_tune.planning.texts import described, short
from agsam_tune.planning.words import hours, of_a_trial
from agsam_tune.study import Resources, Study, load_study
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.task import Task
from agsam_tune.trials import Outcome, State
from agsam_tune.words import percentage_points, significant
from tests.engine.problems import RECIPE, a_pack, blobs
from tests.engine.test_networks import images
from tests.run.commands import TINY, agsam_tune, results

STUDIES = Path(__file__).parents[2] / "studies"
QUICK = STUDIES / "quick.toml"


@pytest.mark.parametrize("optimizer", ["sgd", "gsam", "sgd_2x"])
def test_the_time_of_a_pack_is_forecast(optimizer: str) -> None:
    """Within a factor of three, since the machine is not idle while tests run."""
    recipe = RECIPE.model_copy(update={"epochs": 30})
    for task in (blobs(), images()):
        pack = a_pack(optimizer, 8)
        train_pack(pack, task, recipe, study_seed=0)  # compiles, where nothing has
        forecast = pack_time(pack, task, recipe, study_seed=0, seconds=0.05)
        started = time.perf_counter()
        train_pack(pack, task, recipe, study_seed=0)
        taken = time.perf_counter() - started
        assert forecast.rows == 8
        assert taken / 3 < forecast.seconds < 3 * taken


def test_a_training_of_one_step_is_forecast() -> None:
    recipe = RECIPE.model_copy(update={"epochs": 1, "batch_size": 10_000})
    found = pack_time(a_pack("gsam", 2), blobs(), recipe, study_seed=0, seconds=0.05)
    assert found.steps == 1
    assert found.seconds > 0


def test_plan_says_what_would_run_and_writes_nothing(tmp_path: Path) -> None:
    done = agsam_tune(
        "plan", QUICK, "--out", tmp_path / "run", "--json", tmp_path / "plan.json",
        "--set", "phases.map.replicates=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.json"]
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["trials"] == sum(phase["trials"] for phase in plan["phases"])
    assert plan["wall"][0] <= plan["wall"][1] <= plan["wall"][2]
    for text in ("core-hours", "gsam_matched", "misset", "From a pilot of", " 1 point: "):
        assert text in done.stdout, done.stdout


def test_of_a_run_that_has_begun_the_rest_is_planned(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run", "--executor", "inline", *TINY[:-1])
    stopped = agsam_tune("run", QUICK, *out, "--time-budget", "0")
    assert stopped.returncode == 3
    done = agsam_tune("run", QUICK, *out, "--no-report")
    assert done.returncode == 0, done.stderr
    assert "trials in" in done.stdout
    plan = agsam_tune("plan", QUICK, *out, "--pilot", "0")
    stored = len(results(tmp_path / "run"))
    assert plan.stdout == f"{stored} trials are stored; nothing is left to run\n"
    # A larger study is planned beside it, where it would have a folder of its own.
    larger = (*out, "--pilot", "0", "--set", "phases.iid.points=64")
    whole = agsam_tune("plan", QUICK, *larger)
    assert whole.returncode == 0, whole.stderr
    assert "holds a run of another study, quick; what was changed: phases.iid" in whole.stdout
    assert not whole.stdout.startswith(f"{stored} trials")
    rest = agsam_tune("plan", QUICK, *larger, "--reuse", tmp_path / "run")
    assert rest.returncode == 0, rest.stderr
    assert " left of " in rest.stdout.splitlines()[0]


def test_wrong_use_of_plan(tmp_path: Path) -> None:
    for arguments, message in (
        ((tmp_path / "none.toml",), "none.toml"),
        ((QUICK, "--set", "training.epoch=3"), "did you mean 'epochs'?"),
        ((QUICK, "--json", tmp_path / "none" / "plan.json"), "there is no folder"),
        ((QUICK, "--set", "resources.cpus=99", "--cpus", "2"), "a pack takes 99, but 2 may be"),
        ((QUICK, "--gpus", "1"), "there is no GPU to use here"),
    ):
        done = agsam_tune("plan", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


def _study(*overrides: str) -> tuple[Study, Task]:
    study = load_study(QUICK, overrides=overrides)
    return study, load_task(study.task, study.task_options, seed=study.seed, import_path=())


def test_a_plan_in_words_and_in_a_notebook() -> None:
    plan = study_plan(*_study(), pilot=0, seconds=0.01, there={"cpu": 3.0, "gpu": 0.0})
    assert plan.places == 3
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
    plan = study_plan(*_study(), pilot=0, seconds=0.01, there={"cpu": 1.0})
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
    study, task = _study(*overrides)
    found = [f"Not searched alike: {one}" for one in said]
    assert list(unlike_searches(study)) == found
    plan = study_plan(study, task, pilot=0, seconds=0.01, there={"cpu": 1.0})
    assert [line for line in described(plan).splitlines() if "alike" in line] == found
    assert all(line in plan._repr_html_() for line in found)


def test_where_nothing_is_searched_nothing_is_said() -> None:
    study = _study(*_SEARCH)[0]
    fixed = study.phases[0].model_copy(update={"name": "fixed"})
    assert unlike_searches(study.model_copy(update={"phases": (fixed,)})) == ()


def test_where_there_is_no_gpu_its_trials_are_counted_without_times(tmp_path: Path) -> None:
    done = agsam_tune("plan", QUICK, "--set", "resources.gpus=1", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
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


def test_gpu_hours_are_a_packs_share_of_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    study, task = _study("resources.gpus=0.25", "resources.cpus=4")
    there, engine = (
        {"cpu": 16.0, "gpu": 1.0},
        {"way": "rows", "rows": 64, "seconds": {"rows": 1e-3}},
    )
    plan = study_plan(study, task, there=there, engine=engine, seconds=0, pilot=0)
    assert (plan.device, plan.places) == ("cuda", 4)
    core = sum(p.trials * plan.seconds_per_trial[p.optimizer] for p in plan.phases)
    assert plan.hours == pytest.approx(0.25 * core / 3600)
    assert "GPU-hours" in short(plan)


def test_a_study_without_a_map_is_planned() -> None:
    """Whose points all follow from results, so that none is known before."""
    study, task = _study()
    phases = tuple(phase for phase in study.phases if phase.name != "map")
    study = study.model_copy(update={"phases": phases})
    plan = study_plan(study, task, there={"cpu": 1.0}, seconds=0.01)
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
    plan = study_plan(*_study(override), there={"cpu": 1.0}, seconds=0.01, pilot=pilot)
    assert plan.pilot is None
    assert why in plan.no_pilot


def test_a_long_pilot_is_trained_when_asked_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agsam_tune.planning.pilot._SECONDS", 1e-6)
    plan = study_plan(*_study(), there={"cpu": 1.0}, seconds=0.01)
    assert plan.no_pilot.endswith("--pilot 4 trains it")
    asked = study_plan(*_study(), there={"cpu": 1.0}, seconds=0.01, pilot=2)
    assert asked.pilot is not None


def test_a_pilot_takes_what_is_stored_and_outlives_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, task = _study()
    plan = study_plan(study, task, there={"cpu": 1.0}, seconds=0.01)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agsam_tune.planning.pilot.train", interrupted)
    stopped = study_plan(study, task, there={"cpu": 1.0}, seconds=0.01)
    assert (stopped.trials, stopped.no_pilot) == (plan.trials, "the pilot was interrupted")
    mapped = [trial for trial in drawn_trials(study) if trial.phase == "map"]
    stored = [
        Outcome(trial=trial, state=State.COMPLETE, val_accuracy=0.9, test_accuracy=0.9)
        for trial in mapped
    ]
    known = study_plan(study, task, stored=stored, there={"cpu": 1.0}, seconds=0.01)
    assert known.pilot is not None  # nothing had to be trained
    assert known.pilot.smallest == pytest.approx(0.0, abs=1e-9)


def test_of_a_finished_run_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    study, task = _study()
    packs = play(study, (), 64, 1, lambda _: 0.0).packs
    stored = [
        Outcome(trial=trial, state=State.COMPLETE, val_accuracy=0.9, test_accuracy=0.9)
        for pack in packs
        for trial in pack.trials
    ]

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("something was measured")

    monkeypatch.setattr("agsam_tune.executors.checks.plan", fail)
    monkeypatch.setattr(sys.modules["agsam_tune.planning.study_plan"], "plan", fail)
    done = study_plan(study, task, stored=stored, there={"cpu": 1.0})
    assert (done.trials, done.stored) == (0, len(stored))


def test_a_pack_costs_something_and_each_row_too() -> None:
    cost = _line({64: 10.0, 16: 4.0})
    assert (cost.pack, cost.row) == (pytest.approx(2.0), pytest.approx(0.125))
    assert cost.trial == pytest.approx(10 / 64)
    assert _line({64: 1.0, 16: 2.0}) == Cost(pack=1.0, row=0.0, rows=64)
    assert _line({64: 64.0, 16: 1.0}) == Cost(pack=0.0, row=1.0, rows=64)
    assert _line({4: 2.0}) == Cost(pack=0.0, row=0.5, rows=4)


def test_code_that_is_loaded_for_the_first_example_is_not_paid_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def slow_at_first(*arguments: Any) -> Any:
        calls.append(None)
        time.sleep(0.5 if len(calls) == 1 else 0.0)
        return mean_loss(*arguments)

    monkeypatch.setattr(timing, "mean_loss", slow_at_first)
    found = pack_time(a_pack("gsam", 2), blobs(), RECIPE, study_seed=0, seconds=0.01)
    assert found.evaluate * 32 < 0.25
