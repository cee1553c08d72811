"""Grouping trials."""

from pathlib import Path

import pytest

from agsam_tune.design import drawn_trials
from agsam_tune.packs import make_packs
from agsam_tune.study import load_study
from agsam_tune.trials import Pack

STUDY = load_study(Path(__file__).parents[2] / "studies" / "moons.toml")


@pytest.mark.parametrize("rows", [1, 7, 64, 100, 5000, "auto"])
def test_every_trial_is_in_one_pack_of_one_optimizer_and_phase(rows: int | str) -> None:
    trials = drawn_trials(STUDY)
    packs = make_packs(trials, rows)
    assert sorted(t.key for p in packs for t in p.trials) == sorted(t.key for t in trials)
    for pack in packs:
        assert len({(t.optimizer, t.phase) for t in pack.trials}) == 1
        assert len(pack.trials) <= (64 if rows == "auto" else int(rows))


def test_packs_follow_the_replicates_all_optimizers_together() -> None:
    packs = [p for p in make_packs(drawn_trials(STUDY), 64) if p.phase == "map"]
    assert [p.replicate for p in packs] == sorted(p.replicate for p in packs)
    for replicate in range(8):
        own = [p for p in packs if p.replicate == replicate]
        assert {p.optimizer for p in own} == {"sam", "gsam", "adaptive_gsam", "gsam_matched"}


def test_a_large_group_is_cut_evenly() -> None:
    trials = [t for t in drawn_trials(STUDY) if (t.phase, t.optimizer) == ("iid", "gsam")]
    assert [len(p.trials) for p in make_packs(trials, 100)] == [64, 64]
    assert make_packs([], 10) == []


def test_packs_survive_being_sent() -> None:
    pack = make_packs(drawn_trials(STUDY), "auto")[5]
    assert Pack.from_list(pack.to_list()) == pack
