"""The section on sharpness: there where the study asks, and with the trials' own numbers."""

import numpy as np
import pandas as pd

from agsam_tune.columns import SHARPNESS
from agsam_tune.report.material import Material, gather
from agsam_tune.report.sharpness import sharpness_table
from agsam_tune.study import Study
from tests.report.runs import manifest_of, study_of, trials_of

WANTED = {"examples": 200, "rho": 0.05, "gamma": 0.1, "max_iterations": 1000}


def _material(study: Study, trials: pd.DataFrame) -> Material:
    summary = {"chance": 0.5, "optimizers": {}}
    return gather(
        summary=summary,
        trials=trials,
        curves=pd.DataFrame(),
        manifest=manifest_of(study),
        study=study,
    )


def test_a_study_that_does_not_ask_has_no_section() -> None:
    study = study_of("moons")
    assert sharpness_table(_material(study, trials_of(study))) is None


def test_rows_are_means_over_the_seeds_of_the_own_best() -> None:
    study = study_of("moons", sharpness=WANTED)
    trials = trials_of(study)
    rng = np.random.default_rng(0)
    for name in SHARPNESS:
        trials[name] = rng.uniform(1, 2, size=len(trials))
    trials.loc[trials["diverged"], list(SHARPNESS)] = np.nan
    table = sharpness_table(_material(study, trials))
    assert table is not None
    assert {row[0] for row in table.rows} == set(study.optimizers)
    own = trials[
        (trials["optimizer"] == "gsam") & (trials["phase"] == "misset") & (trials["point"] == 0)
    ]["sigma_max"]
    row = next(row for row in table.rows if row[0] == "gsam")
    assert row[:3] == ("gsam", "own best, fresh seeds", str(len(own)))
    assert row[3] == f"{own.mean():.2f} ± {own.std():.2f}"
    assert f"{trials['sigma_residual'].max():.4g}" in table.caption


def test_a_run_without_finished_trials_of_a_kind_has_a_shorter_table() -> None:
    study = study_of("paper_moons", sharpness=WANTED)
    trials = trials_of(study)
    trials = trials.assign(**dict.fromkeys(SHARPNESS, np.nan))
    trials.loc[0, "gap"] = 0.5
    table = sharpness_table(_material(study, trials))
    assert table is not None
    assert {row[1] for row in table.rows if row[0] == "sam"} == {"rho = 0.5"}
    assert [row[5] for row in table.rows].count("0.5") == 1
