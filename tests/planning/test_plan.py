"""`agsam-tune plan`, and the forecast against what a training takes."""

import json
import time
from pathlib import Path

import pytest

from agsam_tune.engine import pack_time, train_pack
from agsam_tune.planning import study_plan
from agsam_tune.planning.texts import described, short
from agsam_tune.study import load_study
from agsam_tune.tasks.loading import load_task
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
    for text in ("core-hours", "gsam_matched", "misset", "From a pilot of", "To find 1 points"):
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


def test_wrong_use_of_plan(tmp_path: Path) -> None:
    for arguments, message in (
        ((tmp_path / "none.toml",), "none.toml"),
        ((QUICK, "--set", "training.epoch=3"), "did you mean 'epochs'?"),
        ((QUICK, "--set", "resources.gpus=1"), "no GPU"),
    ):
        done = agsam_tune("plan", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_plan_in_words_and_in_a_notebook() -> None:
    study = load_study(QUICK)
    task = load_task(study.task, study.task_options, seed=study.seed, import_path=())
    plan = study_plan(study, task, pilot=0, seconds=0.01, cores=3)
    assert plan.places == 3
    assert str(plan) == described(plan)
    assert described(plan).startswith(short(plan))
    assert "What the study can find is not known: no pilot was asked for." in described(plan)
    page = plan._repr_html_()
    assert page.count("<tr>") == len(plan.phases) + 2
    assert "<script" not in page
