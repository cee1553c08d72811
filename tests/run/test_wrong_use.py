"""Bad input: one readable line, exit code 2, nothing written."""

from pathlib import Path

import pytest

from agsam_tune.errors import UsageError
from agsam_tune.reporting import read_run
from tests.run.commands import QUICK, ROOT, TINY, invoke, tree

MOONS = ROOT / "studies" / "moons.toml"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epoch=3", ["training.epoch", "did you mean 'epochs'"]),
        ("epochs=3", ["did you mean 'training.epochs'"]),
        ("optimizers=['gsam', 'adaptive_gsamm']", ["adaptive_gsamm", "adaptive_gsam"]),
        ("search_spaces.gsam.rho.low=9.0", ["search_spaces.gsam.rho", "low"]),
        ("search_spaces.gsam.rho.low=0.0", ["search_spaces.gsam.rho", "log"]),
        ("phases.map.points=0", ["phases.map.points", "0"]),
        ("phases.map.points=100", ["phases.map.points", "100"]),
        ("task=moon", ["task", "moons"]),
        ("training.epochs=many", ["training.epochs", "many"]),
        ("candidate=sgd_3x", ["candidate", "sgd_3x"]),
    ],
)
def test_bad_values(override: str, words: list[str], tmp_path: Path) -> None:
    done = invoke("run", MOONS, "--set", override, cwd=tmp_path)
    assert done.returncode == 2
    assert all(word in done.stderr for word in words), done.stderr
    assert "moons.toml" in done.stderr
    assert "Traceback" not in done.stderr
    assert tree(tmp_path) == []


def test_a_study_file_that_does_not_exist(tmp_path: Path) -> None:
    done = invoke("run", "studies/moon.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "studies/moon.toml" in done.stderr
    assert tree(tmp_path) == []


@pytest.mark.parametrize("place", ["file/below", "/proc/agsam", "x" * 300])
def test_an_unwritable_folder(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = invoke("run", QUICK, "--out", place, cwd=tmp_path)
    assert done.returncode == 2
    assert place in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert tree(tmp_path) == ["file"]


def test_a_folder_of_another_study(undisturbed: Path) -> None:
    before = {p: p.read_bytes() for p in undisturbed.iterdir() if p.is_file()}
    done = invoke("run", MOONS, "--out", undisturbed)
    assert done.returncode == 2
    assert "quick" in done.stderr
    assert before == {p: p.read_bytes() for p in undisturbed.iterdir() if p.is_file()}


def test_a_changed_study_lists_the_changed_keys(undisturbed: Path) -> None:
    changed = ("--set", "training.lr=0.2", "--set", "phases.misset.points=4")
    done = invoke("run", QUICK, *TINY, *changed, "--out", undisturbed)
    assert done.returncode == 2
    assert "training.lr: 0.1 → 0.2" in done.stderr
    assert "phases.misset.points: 2 → 4" in done.stderr


def test_another_way_than_the_run_began_with(undisturbed: Path) -> None:
    way = ("--set", "packs.way=rows")
    done = invoke("run", QUICK, *TINY, *way, "--out", undisturbed)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "computed with 'compiled', and packs.way now asks for 'rows'" in done.stderr


def test_a_folder_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    done = invoke("run", QUICK, "--out", tmp_path)
    assert done.returncode == 2
    assert "thesis.tex" in done.stderr
    assert tree(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("command", ["report", "export"])
def test_reading_a_folder_without_a_run(command: str, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        done = invoke(command, folder)
        assert done.returncode == 2
        assert str(folder) in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert tree(tmp_path) == []


@pytest.mark.parametrize("budget", ["soon", "1d", "", "-3"])
def test_a_budget_that_is_none(budget: str, tmp_path: Path) -> None:
    done = invoke("run", QUICK, f"--time-budget={budget}", cwd=tmp_path)
    assert done.returncode == 2
    assert "1h30m" in done.stderr


def test_a_task_that_cannot_be_imported(tmp_path: Path) -> None:
    study = tmp_path / "mine.toml"
    text = Path(QUICK).read_text().replace('task = "moons"', 'task = "nowhere.tasks:blobs"')
    options = text[text.index("[task_options]") : text.index("[training]")]
    study.write_text(text.replace(options, ""))
    done = invoke("run", study, cwd=tmp_path)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert tree(tmp_path) == ["mine.toml"]


def test_gpus_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = invoke("run", QUICK, *TINY, "--gpus", "1", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr == "agsam-tune: --gpus 1: there is no GPU to use here\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "manifest", ["[]", "null", "[" * 100_000, '{"study": NaN}', '{"study": {}}', '{"study": [1]}']
)
def test_a_manifest_that_is_none(manifest: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(
        UsageError, match=r"manifest\.json: not (the|a readable) manifest"
    ) as caught:
        read_run(tmp_path)
    assert len(str(caught.value).splitlines()) == 1
