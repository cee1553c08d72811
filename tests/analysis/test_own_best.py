"""Each replicate's own best, and what is off around it."""

import numpy as np
import pandas as pd
import pytest

from agsam_tune.analysis import best_settings, read_data
from agsam_tune.analysis.around import misset_of
from agsam_tune.analysis.own_best import own_bests
from agsam_tune.study import MISSET_FACTORS
from tests.analysis.studies import analysed, facts_of, space, study_of, trials_of


@pytest.fixture(scope="module")
def study():
    return study_of(replicates=6)


@pytest.fixture(scope="module")
def trials(study) -> pd.DataFrame:
    return trials_of(study)


def test_each_replicate_chooses_by_validation_score(study, trials):
    best = best_settings(trials, "ours")
    assert sorted(best) == list(range(6))
    for replicate, found in best.items():
        own = trials[
            (trials["optimizer"] == "ours")
            & (trials["replicate"] == replicate)
            & trials["phase"].isin(["map", "tune"])
            & (trials["seed"] == 0)
        ]
        row = own.loc[own["val_accuracy"].idxmax()]
        assert (found.phase, found.point) == (row["phase"], row["point"])
        assert found.hyperparameters == {"rho": row["rho"], "alpha": row["alpha"]}
        assert found.test_score == row["test_accuracy"]


def test_the_analysis_and_the_agenda_choose_alike(study, trials):
    equal = trials.assign(val_accuracy=trials["val_accuracy"].round(2))  # many are equally good
    shuffled = equal.sample(frac=1, random_state=1)
    best = best_settings(shuffled, "ours")
    own = own_bests(read_data(shuffled, study, facts_of(study)), "ours")
    assert own.settings["rho"].tolist() == [best[r].hyperparameters["rho"] for r in range(6)]
    assert own.score_R.tolist() == [best[r].test_score for r in range(6)]


def test_what_raised_or_is_another_seed_is_never_chosen(trials):
    own = trials[trials["optimizer"] == "ours"].copy()
    best = best_settings(own, "ours")[0]
    chosen = (own["phase"] == best.phase) & (own["point"] == best.point)
    own.loc[chosen & (own["seed"] == 0), ["state", "val_accuracy"]] = ["FAIL", 1.0]
    own.loc[own["seed"] == 1, "val_accuracy"] = 1.0
    after = best_settings(own, "ours")[0]
    assert (after.phase, after.point) != (best.phase, best.point)
    assert best_settings(own.iloc[:0], "ours") == {}


@pytest.mark.parametrize("names", [("rho", "alpha"), ("rho",)], ids=["two", "one"])
def test_what_is_off_is_read_from_the_settings(study, trials, names):
    """As `trials_of` draws it: all at even points, one alone at odd ones."""
    one = space("ours")
    one = one.model_copy(update={"ranges": {name: one.ranges[name] for name in names}})
    study = study.model_copy(update={"search_spaces": {**study.search_spaces, "ours": one}})
    own = trials[(trials["optimizer"] == "ours") & (trials["state"] == "COMPLETE")]
    if len(names) == 1:  # without alpha those with alpha alone off are not off at all
        index = own["point"] % 8
        own = own[~((own["phase"] == "misset") & (index % 4 == 3))]
    data = read_data(own, study, facts_of(study))
    misset = misset_of(data, "ours", own_bests(data, "ours"))
    index_N = misset.trainings.point_N % 8
    assert misset.all_off_N.tolist() == (index_N % 2 == 0).tolist()
    alone = np.sum(list(misset.alone.values()), axis=0)
    assert alone.tolist() == (index_N % 2 == 1).astype(int).tolist()
    assert {factor for _, factor in misset.alone} == set(MISSET_FACTORS)


def test_penalties_are_of_what_the_own_best_reaches():
    """Those of one hyperparameter within F hold those within a smaller one."""
    study = study_of(replicates=24)
    trials = trials_of(study, noise=0.0)
    summary = analysed(trials, study, facts_of(study))
    data = read_data(trials, study, facts_of(study))
    misset = misset_of(data, "ours", own_bests(data, "ours"))
    lost_N = misset.best_N - misset.trainings.score_N
    for name in ("rho", "alpha"):
        for most, factors in ((2, (1 / 2, 2)), (3, (1 / 3, 1 / 2, 2, 3)), (10, MISSET_FACTORS)):
            which_N = np.any([misset.alone[name, factor] for factor in factors], axis=0)
            penalty = summary.metric("ours", "around_best", f"misset_penalty_{most}_{name}")
            assert penalty.trainings == which_N.sum()
            if penalty.value is not None:
                assert penalty.value == pytest.approx(lost_N[which_N].mean(), abs=1e-12)
    assert penalty.trainings > 0
    regret = summary.metric("ours", "around_best", "regret")
    tuned = summary.metric("ours", "around_best", "tuned")
    score = summary.metric("ours", "around_best", "score")
    assert regret.value == pytest.approx(tuned.value - score.value, abs=1e-12)
    assert summary.optimizers["ours"].own_best.replicates == 24


@pytest.mark.parametrize(("gain", "helps"), [(0.02, True), (0.0, False)])
def test_an_own_best_no_better_than_the_base_optimizer_is_told(study, gain, helps):
    summary = analysed(trials_of(study, gain={"ours": gain}, seed=1), study, facts_of(study))
    assert summary.optimizers["ours"].own_best.helps is helps
    told = any(note.startswith("ours at its own best") for note in summary.notes)
    assert told is not helps
