"""The notebook's functions, on a real run."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import agsam_tune
from agsam_tune.errors import RunError, UsageError
from agsam_tune.reporting import read_run
from agsam_tune.study import StudyError
from tests.run.guilty import write_study

QUICK = Path(__file__).parents[2] / "studies" / "quick.toml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("api") / "quick"
    study = agsam_tune.load_study(QUICK)
    return agsam_tune.run(study, out=out, executor="inline", report=False)


@pytest.fixture(scope="module")
def found(folder: Path) -> agsam_tune.Analysis:
    return agsam_tune.analyse(folder)


def test_the_results_are_the_table_of_trials(folder: Path) -> None:
    found = agsam_tune.results(folder)
    pd.testing.assert_frame_equal(found, read_run(folder).trials)
    assert set(found["state"]) == {"COMPLETE"}
    assert agsam_tune.results(str(folder)).shape == found.shape


def test_the_analysis_is_the_summary(found: agsam_tune.Analysis) -> None:
    assert found.claim == found.summary["claim"]["text"]
    assert found.verdict in {"supported", "contradicted", "mixed", "undecided"}
    assert str(found).startswith(found.claim)
    regret = found.estimates.query("optimizer == 'gsam' and metric == 'regret_sensitivity'")
    assert set(regret["lens"]) == {"rho", "own_best", "radius"}
    value = found.summary["optimizers"]["gsam"]["metrics"]["rho"]["regret_sensitivity"]["value"]
    assert regret.set_index("lens").loc["rho", "value"] == value
    assert len(found.comparisons) == len(found.summary["comparisons"])
    page = found._repr_html_()
    assert found.comparisons["metric"][0] in page
    assert "<script" not in page


def test_the_best_settings_are_a_table(found: agsam_tune.Analysis) -> None:
    best = found.best.set_index("optimizer")
    assert list(best.columns) == ["rho", "alpha", "gamma", "accuracy", "low", "high"]
    own = found.summary["optimizers"]["adaptive_gsam"]
    assert best.loc["adaptive_gsam", "gamma"] == own["best_point"]["hyperparameters"]["gamma"]
    leaf = own["metrics"]["own_best"]["best_accuracy"]
    assert best.loc["adaptive_gsam", "accuracy"] == leaf["value"]
    assert pd.isna(best.loc["gsam", "gamma"])
    assert best["low"].lt(best["accuracy"]).all()


def test_a_tuning_curve_is_a_row_a_number_of_draws(found: agsam_tune.Analysis) -> None:
    rows = found.estimates.query("optimizer == 'gsam' and metric == 'tuning_curve'")
    curve = found.summary["optimizers"]["gsam"]["metrics"]["own_best"]["tuning_curve"]
    assert rows["draws"].to_list() == curve["draws"]
    assert rows["value"].to_list() == curve["value"]
    assert found.estimates["value"].dtype == "float64"


def test_the_curves_end_where_the_trials_do(folder: Path) -> None:
    curves, trials = agsam_tune.curves(folder), agsam_tune.results(folder)
    keys = ["optimizer", "phase", "point", "seed"]
    last = curves[curves["epoch"] == curves["epoch"].max()].merge(trials, on=keys)
    whole = last[~last["diverged"]]
    assert len(curves.groupby(keys)) == len(trials)
    assert (whole["test_accuracy_x"] == whole["test_accuracy_y"]).all()


def test_an_analysis_with_other_settings_says_which(
    folder: Path, found: agsam_tune.Analysis
) -> None:
    other = agsam_tune.analyse(folder, overrides=["candidate=gsam_matched", "analysis.margin=0.2"])
    assert "changed_settings" not in found.summary
    assert [one["key"] for one in other.summary["changed_settings"]] == [
        *("analysis.margin", "candidate", "control"),
    ]
    assert set(other.comparisons["candidate"]) == {"gsam_matched"}
    assert "equivalent" in set(other.comparisons["verdict"])
    with pytest.raises(StudyError, match="any other key needs another run"):
        agsam_tune.analyse(folder, overrides=["training.epochs=3"])


def test_what_is_there_is_not_run_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = agsam_tune.results(folder)
    study = agsam_tune.load_study(QUICK)
    assert agsam_tune.run(study, out=folder, executor="inline", report=False) == folder
    pd.testing.assert_frame_equal(agsam_tune.results(folder), before)
    plan = agsam_tune.plan(study, out=folder, pilot=0)
    assert (plan.trials, plan.stored) == (0, len(before))


def test_a_run_out_of_time_is_carried_on(tmp_path: Path) -> None:
    out = agsam_tune.run(QUICK, out=tmp_path / "a", executor="inline", time_budget=0)
    assert len(agsam_tune.results(out)) == 0


def test_errors_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"none\.toml"):
        agsam_tune.load_study(tmp_path / "none.toml")
    with pytest.raises(StudyError, match="did you mean 'epochs'"):
        agsam_tune.load_study(QUICK, overrides=["training.epoch=3"])
    for function in (agsam_tune.results, agsam_tune.analyse):
        with pytest.raises(UsageError, match="no run is here"):
            function(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="found a file"):
        agsam_tune.run(QUICK, out=tmp_path / "file")
    with pytest.raises(AttributeError, match="no attribute 'analyze'"):
        agsam_tune.analyze  # noqa: B018


def test_a_trial_that_raises_is_an_error(tmp_path: Path) -> None:
    study = write_study(tmp_path, 'does = "raise"', alone=True)
    with pytest.raises(RunError, match="not every trial could be trained"):
        agsam_tune.run(study, out=tmp_path / "out", executor="inline", report=False)


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, agsam_tune; dir(agsam_tune); agsam_tune.load_study; "
        "print([m for m in ('torch', 'ray', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_figures_are_plotlys(folder: Path) -> None:
    found = agsam_tune.figures(folder)
    assert {"claim", "same-rho", "own-best", "same-radius", "tuning"} <= found.keys()
    for figure in found.values():
        assert figure.layout.title.text
        assert len(figure.data)
    other = agsam_tune.figures(folder, optimizer="gsam")
    assert other["same-rho"] != found["same-rho"]
    with pytest.raises(UsageError, match="found 'gsan', allowed: gsam, adaptive_gsam"):
        agsam_tune.figures(folder, optimizer="gsan")
