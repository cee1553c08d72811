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

from agsam_tune.analysis.lenses.pair import Comparison, Judgement, Lens
from agsam_tune.analysis.needed import POWER, Spread, chance_of_verdict, level_of_looks
from agsam_tune.analysis.verdict.claim_verdict import ClaimVerdict
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict
from agsam_tune.cli import app
from agsam_tune.executors.checks import packs_at_once
from agsam_tune.executors.data import load_tasks
from agsam_tune.planning import study_plan
from agsam_tune.planning.alike import unlike_searches
from agsam_tune.planning.costs import Cost, _line
from agsam_tune.planning.detectable import DIFFERENCES, LensForecast, forecast_of
from agsam_tune.planning.pilot import Pilot
from agsam_tune.planning.schedule import play
from agsam_tune.planning.study_plan import StudyPlan
from agsam_tune.planning.texts import described, short
from agsam_tune.planning.words import hours, of_a_trial
from agsam_tune.provenance import versions
from agsam_tune.study import Resources, Study, load_study, planned_trials
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Outcome, State
from agsam_tune.words import percentage_points, significant
from tests.dashboard.runs import write_manifest, write_run

QUICK = Path(__file__).parents[2] / "studies" / "quick.toml"
ENGINE = {"way": "stacked", "rows": 64, "seconds": {"stacked": 1e-3}}
# Two replicates, and looks at 2, 4 and 8 of them; 44 of 74 trials of a replicate are the pilot's.
FEW = ("training.epochs=1", "replicates=2", "analysis.max_replicates=8")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agsam_tune.engine.gpu_is_available", lambda: False)
    monkeypatch.setattr("agsam_tune.engine.gpu_count", lambda: 0)


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def _study(*overrides: str) -> tuple[Study, Tasks]:
    study = load_study(QUICK, overrides=overrides)
    return study, load_tasks(study)


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


def alike(overrides: tuple[str, ...]) -> list[Outcome]:
    """All trials of the study, as good as their settings, whoever trains them and wherever."""
    found = ended(_study(*overrides)[0])
    return [
        replace(
            outcome, test_accuracy=0.9 if dict(outcome.trial.hyperparameters)["rho"] < 1 else 0.6
        )
        for outcome in found
    ]


def test_plan_says_what_would_run_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticking = SimpleNamespace(perf_counter=itertools.count().__next__)  # each look, a second later
    monkeypatch.setattr("agsam_tune.engine.plan.time", ticking)
    monkeypatch.setattr("agsam_tune.engine.timing.time", ticking)
    sets = [part for override in FEW for part in ("--set", override)]
    out = ("--out", tmp_path / "run", "--json", tmp_path / "plan.json")
    done = command(QUICK, *out, *sets, "--pilot", "2")
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["trials"] == sum(phase["trials"] for phase in plan["phases"])
    assert plan["wall"][0] <= plan["wall"][1] <= plan["wall"][2]
    assert [lens["lens"] for lens in plan["pilot"]["lenses"]] == [
        *("same_setting", "own_scale", "equal_radius"),
    ]
    for text in (
        *("core-hours", "gsam_matched", "misset", "From a pilot of ", " trials in 2 replicates"),
        *("needed for 0.5", "--until-decided adds 148 trials", "up to 4 replicates"),
    ):
        assert text in done.stdout, done.stdout


def test_of_a_run_that_has_begun_the_rest_is_planned(tmp_path: Path) -> None:
    (study, tasks), run = _study(), tmp_path / "run"
    run.mkdir()
    outcomes = ended(study)
    write_run(run, study, outcomes[:50])
    given = ("--out", run, "--pilot", "0")
    rest = command(QUICK, *given)
    assert rest.stdout.startswith(f"{len(outcomes) - 50} trials left of {len(outcomes)} in ")
    write_run(run, study, outcomes[50:])
    write_manifest(
        run, study, versions=versions(("agsam-tune", "torch", "numpy")), data=tasks.facts()
    )
    whole = f"{len(outcomes)} trials are stored; nothing is left to run\n"
    assert command(QUICK, *given).stdout == whole
    # A larger study is planned beside it, where it would have a folder of its own.
    larger = (QUICK, *given, "--set", "phases.iid.points=8")
    done = command(*larger)
    assert done.exit_code == 0, done.output
    assert "holds a run of another study, quick; what was changed: phases.iid" in done.stdout
    # Trials can be taken over only where none of what decides all of them was changed.
    other = command(QUICK, *given, "--set", "training.epochs=2")
    assert ["--reuse" in one.stdout for one in (done, other)] == [True, False]
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
    lens = LensForecast(
        lens="own_scale", margin=0.01, smallest=(1.2,), needed=(None, 512, 64, 4), equal=None
    )
    other = LensForecast(lens="equal_radius", reason="no ascent step is made by sgd")
    found = Pilot(trials=80, replicates=2, lenses=(lens, other))
    plan = replace(plan_of(pilot=0), pilot=found)
    row = next(line for line in described(plan).splitlines() if line.startswith("own_scale"))
    assert row.split() == ["own_scale", "1", "point", "–", "–", "512", "64", "4", "–"]
    for text in (described(plan), plan._repr_html_()):
        assert "equal_radius: no ascent step is made by sgd." in text
        assert "For more than 4 replicates: --set analysis.max_replicates=" in text


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


def test_each_later_look_adds_whole_replicates() -> None:
    study = _study(*FEW)[0]
    plan = plan_of(*FEW, seconds=0, pilot=0)
    assert (plan.replicates, [look.replicates for look in plan.looks]) == (2, [4, 8])
    each = sum(n or 0 for n in planned_trials(study).values()) // 2
    assert plan.trials == 2 * each
    assert [look.trials for look in plan.looks] == [2 * each, 4 * each]
    first = {(p.phase, p.optimizer): (p.points, p.trials) for p in plan.phases}
    assert first == {(p.phase, p.optimizer): (p.points, p.trials) for p in plan.looks[0].phases}
    assert plan.looks[0].hours == pytest.approx(plan.hours, rel=0.5)
    assert plan.looks[1].hours == pytest.approx(2 * (plan.looks[0].hours or 0))


@pytest.mark.parametrize(
    ("override", "pilot", "why"),
    [
        ("replicates=1", 4, "one replicate"),
        ("training.epochs=4", 1, "two replicates or more"),
        ("training.epochs=4", 0, "no pilot was asked for"),
    ],
)
def test_why_there_is_no_pilot(override: str, pilot: int, why: str) -> None:
    plan = plan_of(override, seconds=0, pilot=pilot)
    assert plan.pilot is None
    assert why in plan.no_pilot


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0.001, "a pilot of 2 replicates takes about 15 s; --pilot 2 trains it"),
        (16.0, "training a pilot of 2 replicates, about 15 s"),
        (1000.0, "training a pilot of 4 replicates, about 30 s"),
    ],
)
def test_a_pilot_is_as_large_as_is_trained_soon(
    seconds: float, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agsam_tune.planning.pilot.train", interrupted)
    monkeypatch.setattr("agsam_tune.planning.pilot._SECONDS", seconds)
    said: list[str] = []
    said.append(plan_of(seconds=0, said=said.append).no_pilot)
    assert says in said


def test_a_pilot_takes_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr("agsam_tune.planning.pilot.train", fail)
    given = (*FEW, "phases.radius.low=0.1", "phases.radius.high=1.0")
    stored = [one for one in alike(given) if one.trial.phase in ("map", "key", "off", "radius")]
    known = plan_of(*given, stored=stored, seconds=0)
    assert known.pilot is not None
    (own,) = [lens for lens in known.pilot.lenses if lens.lens == "own_scale"]
    assert own.smallest == pytest.approx([0.0, 0.0, 0.0], abs=1e-4)
    assert own.needed == (2, 2, 2, 2)
    assert own.equal == 2


def test_a_plan_outlives_an_interrupted_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agsam_tune.planning.pilot.train", interrupted)
    stopped = plan_of(*FEW, seconds=0, pilot=2)
    assert (stopped.trials, stopped.no_pilot) == (148, "the pilot was interrupted")


def test_what_is_needed_is_what_the_looks_will_decide() -> None:
    """Of a lens whose replicates differ by two points in score and in regret."""
    study = _study("replicates=16", "analysis.max_replicates=64")[0]
    error = 0.02 / 2  # of four replicates
    rows = [
        Comparison(
            lens=lens,
            metric=metric,
            estimate=0.0,
            interval=None,
            verdict_interval=None,
            verdict=LensVerdict.UNDECIDED,
            standard_error=error,
            margin=0.02,
        )
        for lens in Lens
        for metric in ("score", "regret")
    ]
    judged = Judgement(comparisons=tuple(rows), claim=ClaimVerdict.UNDECIDED, best=0.9, lenses=2)
    found = {one.lens: one for one in forecast_of(study, judged, 4)}["own_scale"]
    level = level_of_looks(study.looks, 64, 0.025)
    deviation = 0.02 * 1.573  # the upper quartile with three degrees of freedom

    def chance(difference: float, size: int, margin: float = 0.0) -> float:
        spread = Spread(difference=difference, deviation=deviation)
        return chance_of_verdict(spread, spread, size, margin=margin, level=level(size))

    for smallest, size in zip(found.smallest, study.looks, strict=True):
        assert chance(smallest, size) == pytest.approx(POWER, abs=1e-3)
    for difference, size in zip(DIFFERENCES, found.needed, strict=True):
        assert size is not None
        assert chance(difference, size) >= POWER
        assert size == 16 or chance(difference, size // 2) < POWER
    assert found.equal is not None
    assert chance(0.0, found.equal, 0.02) >= POWER > chance(0.0, found.equal // 2, 0.02)
    assert sorted(found.needed, reverse=True) == list(found.needed)


def test_of_a_finished_run_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("something was measured")

    module = sys.modules["agsam_tune.planning.study_plan"]  # its package has a function of the name
    for name in ("plan", "measured", "from_one_pass"):
        monkeypatch.setattr(module, name, fail)
    study, tasks = _study()
    stored = ended(study)
    done = study_plan(study, tasks, stored=stored, there={"cpu": 1.0})
    assert (done.trials, done.stored) == (0, len(stored))


def test_a_pack_costs_something_and_each_row_too() -> None:
    cost = _line({64: 10.0, 16: 4.0})
    assert (cost.pack, cost.row) == (pytest.approx(2.0), pytest.approx(0.125))
    assert cost.trial == pytest.approx(10 / 64)
    assert _line({64: 1.0, 16: 2.0}) == Cost(pack=1.0, row=0.0, rows=64)
    assert _line({64: 64.0, 16: 1.0}) == Cost(pack=0.0, row=1.0, rows=64)
    assert _line({4: 2.0}) == Cost(pack=0.0, row=0.5, rows=4)
