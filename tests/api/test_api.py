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


def test_the_analysis_is_the_record(found: agsam_tune.Analysis) -> None:
    summary = found.summary
    assert found.claim == summary.claim.text
    assert found.verdict == summary.claim.verdict
    assert str(found).startswith(found.claim)
    page = found._repr_html_()
    assert found.comparisons["metric"][0] in page
    assert "<script" not in page


def test_the_tables_are_those_of_export(found: agsam_tune.Analysis) -> None:
    summary = found.summary
    assert len(found.comparisons) == len(summary.comparisons) + len(summary.gap) > 0
    assert found.comparisons["estimate"][0] == summary.comparisons[0].estimate
    own = found.estimates.query("optimizer == 'gsam' and trials.isna() and point.isna()")
    assert own["metric"].to_list() == [one.metric for one in summary.optimizers["gsam"].metrics]
    regret = summary.metric("gsam", "own_scale", "regret")
    assert regret is not None
    shown = own.query("lens == 'own_scale' and metric == 'regret'")
    assert shown["value"].to_list() == [regret.value]


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
    assert found.summary.changed == ()
    assert [one.key for one in other.summary.changed] == ["analysis.margin", "candidate", "control"]
    judged = other.comparisons.dropna(subset="verdict")
    assert set(judged["candidate"]) == {"gsam_matched"}
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
    assert list(found)[:4] == ["claim", "key", "off", "radius"]
    for figure in found.values():
        assert figure.layout.title.text
        assert len(figure.data)
    other = agsam_tune.figures(folder, optimizer="gsam")
    assert other["key"] != found["key"]
    with pytest.raises(UsageError, match="found 'gsan', allowed: gsam, adaptive_gsam"):
        agsam_tune.figures(folder, optimizer="gsan")
