"""A study by its name: where a bare name is looked for, and what is said where it is not found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agsam_tune.study import StudyError, available_studies, find_study, load_study

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def message_of(name: str) -> str:
    with pytest.raises(StudyError) as caught:
        load_study(find_study(Path(name)))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("name", available_studies())
def test_a_built_in_study(name: str) -> None:
    assert find_study(Path(name)) == available_studies()[name]


def test_one_s_own_comes_first(here: Path, valid: str) -> None:
    (here / "moons.toml").write_text(valid)
    assert find_study(Path("moons")) == Path("moons.toml")
    assert load_study(find_study(Path("moons"))).name == "moons"
    (here / "moons").write_text(valid)
    assert find_study(Path("moons")) == Path("moons")


def test_a_name_with_dots(here: Path, valid: str) -> None:
    (here / "mine.v2.toml").write_text(valid)
    assert find_study(Path("mine.v2")) == Path("mine.v2.toml")


def test_a_folder_of_the_name_is_no_study(here: Path) -> None:
    (here / "moons").mkdir()
    assert find_study(Path("moons")) == available_studies()["moons"]
    (here / "works").mkdir()
    assert "this is a folder" in message_of("works")


@pytest.mark.parametrize("path", ["moons.toml", "studies/moons", "../moons", "/moons", "a/b.toml"])
def test_a_path_is_a_path(path: str) -> None:
    assert find_study(Path(path)) == Path(path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("moon", "moon: no study has this name: there is no moon.toml in this folder"),
        ("moon", "did you mean 'moons'?"),
        ("mien", "did you mean 'mine'?"),
        ("zzzz", "the studies are cifar10, "),
        ("moon.toml", "did you mean "),
        ("a b", "a b: there is no such file"),
    ],
)
def test_a_name_of_none(here: Path, valid: str, name: str, says: str) -> None:
    (here / "mine.toml").write_text(valid)
    (here / "notes.toml").write_text("a = 1")
    message = message_of(name)
    assert says in message
    assert "notes" not in message
