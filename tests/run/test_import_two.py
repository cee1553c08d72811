"""`agsam-tune import A B`: two sources compared, as independent of each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.errors import UsageError
from agsam_tune.importing import Imported, ImportOptions, import_trials
from agsam_tune.importing.pair import labels_of
from agsam_tune.reporting import analysed, read_run
from agsam_tune.study import load_study
from tests.run.asking import rounds
from tests.run.commands import QUICK, invoke


def lenses(seed: int, *, replicates: int = 16, edge: float = 1.0, **more: Any) -> pd.DataFrame:
    """Trainings of one optimizer in the phases of both fair lenses, good up to an edge."""
    generator = np.random.default_rng(seed)
    rows = []
    for phase, low, high in (("key", 5e-4, 80), ("off", 5e-4, 80), ("radius", 0.3, 3.0)):
        strata = np.arange(16)[None] + generator.random((replicates, 16))
        rho = low * (high / low) ** (strata / 16)
        for replicate, index in np.ndindex(rho.shape):
            harm = 0.3 / (1 + (edge / rho[replicate, index]) ** 4)
            rows.append(
                {
                    "optimizer": "gsam",
                    "phase": phase,
                    "replicate": replicate,
                    "point": 16 * replicate + index,
                    "seed": 0,
                    "rho": rho[replicate, index],
                    "radius": rho[replicate, index],
                    "test_accuracy": 0.9 - harm + 0.005 * generator.normal(),
                }
            )
    return pd.DataFrame(rows).assign(**more)


def compared(
    tmp_path: Path, one: pd.DataFrame, other: pd.DataFrame, **options: Any
) -> tuple[Imported, Path]:
    for name, frame in (("A", one), ("B", other)):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    sources = {"source": str(tmp_path / "A.csv"), "other": str(tmp_path / "B.csv")}
    done = import_trials(
        ImportOptions(**sources, out=tmp_path / "out", **({"chance": 0.5} | options))
    )
    return done, tmp_path / "out"


def test_an_optimizer_against_itself_has_no_winner(tmp_path: Path) -> None:
    done, out = compared(tmp_path, lenses(1), lenses(2))
    assert (done.study.candidate, done.study.baseline) == ("gsam (A)", "gsam (B)")
    assert "Compared: gsam (A) as the candidate with gsam (B) as the baseline." in done.notes
    run = read_run(out)
    assert run.manifest["imported"]["paired"] is False
    assert run.manifest["imported"]["other"]["source"] == str(tmp_path / "B.csv")
    summary = analysed(run)
    assert summary.claim.verdict == "no_difference"
    rows = [summary.comparison(lens, "score") for lens in ("own_scale", "equal_radius")]
    assert {row and row.verdict for row in rows} == {"equivalent"}


def test_one_that_bears_longer_steps_wins_at_equal_length(tmp_path: Path) -> None:
    longer = lenses(3, edge=2.0, optimizer="mine", replicates=20)
    done, out = compared(tmp_path, longer, lenses(4))
    assert (done.study.candidate, done.study.baseline) == ("mine", "gsam")
    summary = analysed(read_run(out))
    row = summary.comparison("equal_radius", "score")
    assert row is not None
    assert row.verdict == "candidate"
    assert summary.claim.verdict in ("supported", "undecided")


def test_who_is_compared_is_asked_where_it_is_not_plain(tmp_path: Path) -> None:
    both = pd.concat([lenses(1), lenses(5, optimizer="sam")], ignore_index=True)
    with pytest.raises(UsageError, match="--candidate and --baseline: needed, since there are"):
        compared(tmp_path, both, both.assign(seed=1))
    done, _ = compared(tmp_path, both, both, candidate="sam", baseline="sam")
    assert (done.study.candidate, done.study.baseline) == ("sam (A)", "sam (B)")
    done, _ = compared(tmp_path, both, both, candidate="sam", baseline="gsam (A)")
    assert (done.study.candidate, done.study.baseline) == ("sam (A)", "gsam (A)")
    done, _ = compared(tmp_path, both, lenses(1), candidate="sam", baseline="gsam")
    assert (done.study.candidate, done.study.baseline) == ("sam", "gsam (B)")
    with pytest.raises(UsageError, match=r"--baseline: found 'gsan', .*did you mean 'gsam"):
        compared(tmp_path, both, both, candidate="sam", baseline="gsan")
    with pytest.raises(UsageError, match="--baseline: missing"):
        compared(tmp_path, both, both, candidate="sam")


def test_only_what_both_have_is_compared(tmp_path: Path) -> None:
    one, other = lenses(1), lenses(2)
    done, out = compared(tmp_path, one, other[other["phase"] != "off"])
    assert "Left out of A, since the other has none: off." in done.notes
    assert set(read_run(out).trials["phase"]) == {"key", "radius"}
    with pytest.raises(UsageError, match="phases: found off and key, needed: one that both have"):
        compared(tmp_path, one[one["phase"] == "off"], other[other["phase"] == "key"])
    # A mean over other lengths is another number.
    shifted = other.assign(rho=other["rho"].where(other["phase"] != "radius", 1.5 * other["rho"]))
    done, out = compared(tmp_path, one, shifted)
    assert any("trials with lengths of steps beyond 0.4" in note for note in done.notes)
    low, high = read_run(out).manifest["radius_range"]
    assert (low, high) == pytest.approx((0.45, 3.0), rel=0.1)
    lengths = read_run(out).trials.query("phase == 'radius'")["rho"]
    assert low <= lengths.min() < lengths.max() <= high
    far = other.assign(rho=other["rho"].where(other["phase"] != "radius", 8 * other["rho"]))
    done, out = compared(tmp_path, one, far)
    assert any("share no lengths" in note for note in done.notes)
    assert read_run(out).manifest["radius_range"] is None


@pytest.mark.parametrize(
    ("sources", "labels"),
    [
        (("/x/a.csv", "/x/b.csv"), ("a", "b")),
        (("/x/a.csv", "/x/a.parquet"), ("a.csv", "a.parquet")),
        (("/x/1/trials.csv", "/x/2/trials.csv"), ("1/trials.csv", "2/trials.csv")),
        (("/runs/moons", "/other/moons"), ("runs/moons", "other/moons")),
    ],
)
def test_sources_are_called_by_what_tells_them_apart(
    sources: tuple[str, str], labels: tuple[str, str]
) -> None:
    assert labels_of(sources) == labels


def test_the_same_command_makes_it_again_and_another_does_not(tmp_path: Path) -> None:
    compared(tmp_path, lenses(1), lenses(2))
    compared(tmp_path, lenses(1), lenses(2))
    with pytest.raises(UsageError, match=r"A\.csv: is named twice"):
        import_trials(
            ImportOptions(
                source=str(tmp_path / "A.csv"), other=str(tmp_path / "A.csv"), out=tmp_path / "new"
            )
        )
    with pytest.raises(UsageError, match="holds another run, of the study A against B"):
        import_trials(
            ImportOptions(source=str(tmp_path / "A.csv"), out=tmp_path / "out", chance=0.5)
        )


def test_folders_of_runs_keep_what_their_studies_say(tmp_path: Path) -> None:
    for seed, name in ((0, "one"), (1, "two")):
        changed = ("--set", f"seed={seed}")
        *_, (_, done) = rounds(load_study(Path(QUICK), overrides=changed[1:]))
        done.to_csv(tmp_path / f"{name}.csv", index=False)
        told = ("import", tmp_path / f"{name}.csv", "--study", QUICK, *changed)
        said = invoke(*told, "--chance", "0.5", "--out", tmp_path / name)
        assert said.returncode == 0, said.stderr
    roles = ("--candidate", "gsam", "--baseline", "gsam")
    said = invoke("import", tmp_path / "one", tmp_path / "two", *roles, "--out", tmp_path / "out")
    assert said.returncode == 0, said.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["study"]["candidate"] == "gsam (one)"
    assert manifest["imported"]["ranges"] == {
        phase: pytest.approx([0.0005, 80.0]) for phase in ("key", "off")
    }
    assert manifest["imported"]["kind"] == manifest["imported"]["other"]["kind"] == "run"
    assert manifest["data"]["chance"] == 0.5
    spaces = manifest["study"]["search_spaces"]
    assert spaces["gsam (one)"]["ranges"] == spaces["gsam (two)"]["ranges"]
    assert spaces["gsam (one)"]["ranges"]["rho"]["high"] == 8.0
