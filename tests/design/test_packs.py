"""Grouping trials."""

from pathlib import Path

import pytest

from agsam_tune.design import drawn_trials
from agsam_tune.packs import make_packs
from agsam_tune.study import load_study
from agsam_tune.trials import Pack

STUDY = load_study(Path(__file__).parents[2] / "studies" / "moons.toml")
DRAWN = drawn_trials(STUDY)


@pytest.mark.parametrize("rows", [1, 7, 64, 100, 5000, "auto"])
def test_every_trial_is_in_one_pack_of_one_optimizer_and_phase(rows: int | str) -> None:
    packs = make_packs(DRAWN, rows)
    limit = 64 if rows == "auto" else int(rows)
    assert sorted(t.key for p in packs for t in p.trials) == sorted(t.key for t in DRAWN)
    for pack in packs:
        assert len({(t.optimizer, t.phase) for t in pack.trials}) == 1
        assert len(pack.trials) <= limit
    # Nothing is lost: of an optimizer in a phase, one pack at most is not full.
    short = [(p.optimizer, p.phase) for p in packs if len(p.trials) < limit]
    assert len(set(short)) == len(short)


def test_packs_follow_the_replicates_all_optimizers_together() -> None:
    packs = make_packs(reversed(DRAWN), 64)
    for phase in ("map", "key", "off"):
        own = [p for p in packs if p.phase == phase]
        assert [p.replicate for p in own] == sorted(p.replicate for p in own)
        assert {p.optimizer for p in own[:6]} == set(STUDY.optimizers_of(phase))
        for optimizer in STUDY.optimizers_of(phase):
            rows = [t.replicate for p in own if p.optimizer == optimizer for t in p.trials]
            assert rows == sorted(rows)


def test_nothing_to_train_needs_no_pack() -> None:
    assert make_packs([], 10) == []


def test_packs_survive_being_sent() -> None:
    pack = make_packs(DRAWN, "auto")[5]
    assert Pack.from_list(pack.to_list()) == pack
