"""Where search spaces are looked for, and what one may not say."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agsam_tune.study import (
    Range,
    StudyError,
    available_search_spaces,
    available_studies,
    load_study,
    read_search_space,
)
from agsam_tune.study.files import find_search_spaces, package_folder

Write = Callable[[str], Path]

ROOT = Path(__file__).parents[2]

SPACE = """
optimizer = "gsam"
[rho]
low = 0.01
high = {high}
log = true
default = 0.1
[alpha]
low = 0.0
high = 1.0
default = 0.1
"""


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_nearest_file_counts(write: Write, valid: str) -> None:
    study = write(valid.replace("[search_spaces.gsam.rho]\nhigh = 4.0\n", ""))

    def high() -> float:
        return load_study(study).search_spaces["gsam"].ranges["rho"].high

    folder = study.parent
    assert high() == 8.0
    put(folder.parent / "search_spaces" / "gsam.toml", SPACE.format(high=3.0))
    assert high() == 3.0
    put(folder / "search_spaces" / "gsam.toml", SPACE.format(high=2.0))
    assert high() == 2.0
    put(folder / "gsam.toml", SPACE.format(high=1.0))
    assert high() == 1.0


def test_an_optimizer_of_ones_own_is_known_by_its_file(write: Write, valid: str) -> None:
    study = write(valid.replace('"sgd", "gsam"', '"sgd", "mine_too", "gsam"'))
    put(study.parent / "mine_too.toml", 'optimizer = "mine_too"\n[beta]\n' + RANGE)
    loaded = load_study(study)
    assert loaded.search_spaces["mine_too"].names == ("beta",)
    assert loaded.hyperparameters == ("rho", "alpha", "gamma", "beta")


RANGE = "low = -1.0\nhigh = 1.0\ndefault = 0.0\n"


def test_other_files_beside_a_study_are_no_optimizers(study_file: Path) -> None:
    put(study_file.parent / "pyproject.toml", '[project]\nname = "x"\n')
    assert "pyproject" not in find_search_spaces(study_file.parent)
    assert "mine" not in find_search_spaces(study_file.parent)
    assert set(available_search_spaces(study_file.parent)) == set(available_search_spaces())


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (SPACE.replace('"gsam"', '"gsma"').format(high=1), "optimizer", "'gsam'"),
        (SPACE.replace('optimizer = "gsam"', "").format(high=1), "optimizer", "missing"),
        (SPACE.format(high=0.001), "rho", "low < high"),
        (SPACE.replace("0.01", "0").format(high=1), "rho", "low > 0"),
        (SPACE.format(high="nan"), "rho.high", "nan"),
        (SPACE.replace("alpha", "alhpa").format(high=1), "alhpa", "did you mean 'alpha'?"),
        (SPACE.replace("alpha", "alhpa").format(high=1), "alpha", "gsam has it"),
        (SPACE.format(high=1) + "[seed]\n" + RANGE, "seed", "choose another"),
        (SPACE.format(high=1) + "[Beta]\n" + RANGE, "Beta", "small letters"),
        (SPACE.format(high=1) + "[momentum]\n" + RANGE, "momentum.high", "< 1"),
        (SPACE.format(high=1) + "[lr]\n" + RANGE, "lr.low", "> 0"),
        (SPACE.format(high=1).replace("default = 0.1", "", 1), "rho.default", "missing"),
        ("optimizer = 'gsam'\nrho = 3\nalpha = 1", "rho", "a table"),
        ("optimizer = ", "", "not TOML"),
    ],
)
def test_a_mistake_names_the_search_space_file(
    write: Write, valid: str, text: str, key: str, says: str
) -> None:
    study = write(valid.replace("[search_spaces.gsam.rho]\nhigh = 4.0\n", ""))
    space = put(study.parent / "gsam.toml", text)
    with pytest.raises(StudyError) as caught:
        load_study(study)
    found = [problem for problem in caught.value.problems if problem.key == key]
    assert found
    assert found[0].file == str(space)
    assert says in found[0].message
    with pytest.raises(StudyError, match=r"gsam\.toml"):
        available_search_spaces(study.parent)


def test_an_override_may_add_what_the_base_optimizer_has(write: Write, valid: str) -> None:
    added = "[search_spaces.adaptive_gsam.lr]\nlow = 0.01\nhigh = 1\nlog = true\ndefault = 0.1\n"
    study = load_study(write(valid.replace("[[phases]]", f"{added}[[phases]]", 1)))
    assert study.search_spaces["adaptive_gsam"].names == ("rho", "alpha", "gamma", "lr")
    assert study.search_spaces["gsam"].names == ("rho", "alpha")
    assert study.hyperparameters == ("rho", "alpha", "gamma", "lr")


def test_all_search_spaces_of_the_package_share_one_box() -> None:
    spaces = available_search_spaces()
    assert set(spaces) >= {
        "sgd",
        "sgd_2x",
        "sam",
        "asam",
        "asam_weights",
        "gsam",
        "adaptive_gsam",
        "gsam_matched",
        "adaptive_gsam_t2",
        "gap_penalty",
    }
    boxes = {
        name: {space.ranges[name] for space in spaces.values() if name in space.ranges}
        for name in ("rho", "alpha", "gamma", "lam")
    }
    assert {name: len(box) for name, box in boxes.items()} == dict.fromkeys(boxes, 1)
    (rho,), (alpha,), (gamma,), (lam,) = boxes.values()
    assert (rho.low, rho.high, rho.log, rho.default) == (0.005, 8.0, True, 0.5)
    assert (alpha.low, alpha.high, alpha.log, alpha.default) == (0.0, 1.0, False, 0.04)
    assert (gamma.low, gamma.high, gamma.log, gamma.default) == (0.001, 1.0, True, 0.1)
    assert (lam.low, lam.high, lam.log, lam.default) == (0.0, 1.0, False, 0.5)
    assert all(space.description for space in spaces.values())


class TestWhereThePackageHasIts:
    def test_in_a_checkout(self) -> None:
        assert package_folder("search_spaces") == ROOT / "search_spaces"
        assert available_studies()["moons"] == ROOT / "studies" / "moons.toml"

    def test_when_installed(self, tmp_path: Path) -> None:
        package = tmp_path / "lib" / "python3.11" / "site-packages" / "agsam_tune"
        package.mkdir(parents=True)
        assert package_folder("studies", package=package) is None
        shared = tmp_path / "share" / "agsam-tune" / "studies"
        shared.mkdir(parents=True)
        assert package_folder("studies", package=package) == shared

    def test_a_stranger_in_site_packages_is_not_taken(self, tmp_path: Path) -> None:
        (tmp_path / "studies").mkdir()
        assert package_folder("studies", package=tmp_path / "agsam_tune") is None

    def test_the_wheel_has_all_of_them(self) -> None:
        with (ROOT / "pyproject.toml").open("rb") as file:
            listed = tomllib.load(file)["tool"]["setuptools"]["data-files"]
        for kind in ("search_spaces", "studies"):
            shipped = {
                path for glob in listed[f"share/agsam-tune/{kind}"] for path in ROOT.glob(glob)
            }
            assert shipped == {path for path in (ROOT / kind).iterdir() if path.is_file()}


def test_a_file_of_a_later_form_is_refused_in_one_line(tmp_path: Path) -> None:
    path = put(tmp_path / "gsam.toml", "format = 3\nrow = 1\n" + SPACE.format(high=1.0))
    with pytest.raises(StudyError) as caught:
        read_search_space(path)
    (problem,) = caught.value.problems
    assert (problem.key, problem.file) == ("format", str(path))
    assert "found 3, allowed: up to 2" in problem.message
    for version in (1, 2):
        put(path, f"format = {version}\n" + SPACE.format(high=1.0))
        assert read_search_space(path).ascent


def test_values_stay_within_what_may_never_be_left() -> None:
    ranges = available_search_spaces()["gsam"].ranges
    assert ranges["alpha"].clipped("alpha", 7.0) == 1.0
    assert ranges["rho"].clipped("rho", 700.0) == 700.0
    assert ranges["rho"].clipped("rho", -1.0) == 0.0
    lr = Range(low=0.1, high=0.9, default=0.5)
    assert 0 < lr.clipped("lr", 0.0) < 1e-30
    assert np.float32(lr.clipped("momentum", 9.0)) < 1
    assert Range(low=0.1, high=0.9, default=0.5, min=0.05, max=2).clipped("lr", 9.0) == 2
