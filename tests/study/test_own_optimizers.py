"""Optimizers of one's own in a study file, by reference and by the name of a file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agsam_tune.study import (
    Study,
    StudyError,
    available_search_spaces,
    changed_keys,
    load_study,
)

Write = Callable[[str], Path]

REFERENCE = "my_pkg.rules:mine"
RHO = "low = 0.1\nhigh = 2.0\nlog = true\ndefault = 0.5\n"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def with_own(valid: str, name: str, ranges: str = "") -> str:
    """The valid study with an optimizer more, and tables of its ranges."""
    text = valid.replace('"gsam_matched"]', f'"gsam_matched", "{name}"]')
    return text.replace("[[phases]]", f"{ranges}[[phases]]", 1)


def problems_of(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(StudyError) as caught:
        load_study(path, overrides=overrides)
    return str(caught.value).splitlines()


class TestByReference:
    def test_its_ranges_are_in_the_study(self, write: Write, valid: str) -> None:
        ranges = f'[search_spaces."{REFERENCE}".rho]\n{RHO}[search_spaces.mine.slope]\n{RHO}'
        ranges = ranges.replace("search_spaces.mine", f'search_spaces."{REFERENCE}"')
        study = load_study(write(with_own(valid, REFERENCE, ranges)))
        assert study.optimizers[-1] == "mine"
        space = study.search_spaces["mine"]
        assert (space.optimizer, space.rule) == ("mine", REFERENCE)
        assert space.names == ("rho", "slope")
        assert space.ranges["rho"].high == 2.0
        assert study.foreign_code
        assert study.hyperparameters == ("rho", "alpha", "gamma", "slope")

    def test_without_hyperparameters_it_needs_no_search_space(
        self, write: Write, valid: str
    ) -> None:
        study = load_study(write(with_own(valid, REFERENCE)))
        assert study.search_spaces["mine"].names == ()

    @pytest.mark.parametrize("file", ["mine", "another"])
    def test_a_file_for_it_is_found(self, write: Write, valid: str, file: str) -> None:
        study_file = write(with_own(valid, REFERENCE))
        text = f'optimizer = "{REFERENCE}"\ndescription = "so"\n[rho]\n{RHO}'
        put(study_file.parents[1] / "search_spaces" / f"{file}.toml", text)
        space = load_study(study_file).search_spaces["mine"]
        assert (space.optimizer, space.rule, space.names) == ("mine", REFERENCE, ("rho",))
        changed = load_study(study_file, overrides=["search_spaces.mine.rho.high=3.0"])
        assert changed.search_spaces["mine"].ranges["rho"].high == 3.0

    def test_it_may_say_that_it_has_no_ascent_step(self, write: Write, valid: str) -> None:
        text = with_own(valid, REFERENCE, f"[search_spaces.mine.rho]\n{RHO}")
        study = write(text.replace('"adaptive_gsam"\nbase', '"mine"\nbase'))
        assert load_study(study).optimizers_of("radius") == ("gsam", "mine")
        without = load_study(study, overrides=["search_spaces.mine.ascent=false"])
        assert without.optimizers_of("radius") == ()
        assert without.hash != load_study(study).hash
        (line,) = problems_of(study, "search_spaces.gsam.ascent=false")
        assert "search_spaces.gsam.ascent: unknown hyperparameter" in line

    def test_it_may_have_any_role(self, write: Write, valid: str) -> None:
        text = with_own(valid, REFERENCE, f"[search_spaces.mine.rho]\n{RHO}")
        text = text.replace('"adaptive_gsam"\nbase', f'"{REFERENCE}"\nbase')
        text = text.replace('optimizer = "gsam"', f'optimizer = "{REFERENCE}"')
        text = text.replace("alpha = 0.04\n", "")
        named = f'name = "off"\noptimizers = ["gsam", "{REFERENCE}"]'
        study = load_study(write(text.replace('name = "off"', named)))
        assert study.candidate == "mine"
        assert study.optimizers_of("off") == ("gsam", "mine")
        assert study.phase("fixed").fixed[1].optimizer == "mine"
        assert study.reference.results[0].optimizer == "mine"

    @pytest.mark.parametrize(
        "key",
        [
            "search_spaces.mine.rho.high",
            f"search_spaces.{REFERENCE}.rho.high",
            f'search_spaces."{REFERENCE}".rho.high',
            f"search_spaces.'{REFERENCE}'.rho.high",
        ],
    )
    @pytest.mark.parametrize("written", ["mine", f'"{REFERENCE}"'])
    def test_it_can_be_set(self, write: Write, valid: str, key: str, written: str) -> None:
        path = write(with_own(valid, REFERENCE, f"[search_spaces.{written}.rho]\n{RHO}"))
        study = load_study(path, overrides=[f"{key}=4.0"])
        assert study.search_spaces["mine"].ranges["rho"].high == 4.0
        assert study.search_spaces["mine"].ranges["rho"].low == 0.1
        (line,) = problems_of(path, f"{key}=0.01")
        assert f"(--set {key}=0.01): search_spaces.mine.rho: found low = 0.1 and" in line

    def test_its_fixed_points_can_be_set(self, write: Write, valid: str) -> None:
        text = with_own(valid, REFERENCE, f"[search_spaces.mine.rho]\n{RHO}")
        point = f'[[phases.points]]\noptimizer = "{REFERENCE}"\nrho = 1.0\n[analysis]'
        path = write(text.replace("[analysis]", point))
        for name in ("mine", REFERENCE):
            study = load_study(path, overrides=[f"phases.fixed.points.{name}.rho=2"])
            assert study.phase("fixed").fixed[2].hyperparameters["rho"] == 2.0

    def test_it_can_be_added_on_the_command_line(self, study_file: Path) -> None:
        study = load_study(
            study_file,
            overrides=[
                f'optimizers=["sgd", "gsam", "adaptive_gsam", "gsam_matched", "{REFERENCE}"]',
                "search_spaces.mine.rho={low = 0.1, high = 1, default = 0.5}",
                f"control={REFERENCE}",
            ],
        )
        assert study.control == study.optimizers[-1] == "mine"
        assert study.search_spaces["mine"].names == ("rho",)

    @pytest.mark.parametrize(
        ("name", "ranges", "says"),
        [
            ("my_pkg.rules:gsam", "", "called 'gsam', a built-in's name"),
            ("my_pkg.rules:müh", "", "allowed: letters, digits, '_' and '-'"),
            ("my_pkg.rules:", "", "'package.module:function' for one's own"),
            ("my-pkg:mine", "", "'package.module:function' for one's own"),
            (f'{REFERENCE}", "other:mine', "", "both 'mine'; allowed: functions of different"),
            (f'{REFERENCE}", "{REFERENCE}', "", "found 'mine' 2 times, allowed: once"),
            (
                REFERENCE,
                f'[search_spaces."{REFERENCE}".rho]\n{RHO}[search_spaces.mine.rho]\n{RHO}',
                f"search_spaces.mine: found twice, also as '{REFERENCE}'",
            ),
            (REFERENCE, f"[search_spaces.mine.Rho]\n{RHO}", "small letters"),
            (REFERENCE, f"[search_spaces.mine.seed]\n{RHO}", "choose another"),
            (REFERENCE, "[search_spaces.mine.rho]\nlow = 1.0\n", "mine.rho.high: missing"),
            (REFERENCE, f"[search_spaces.mni.rho]\n{RHO}", "did you mean 'mine'?"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, write: Write, valid: str, name: str, ranges: str, says: str
    ) -> None:
        lines = problems_of(write(with_own(valid, name, ranges)))
        assert any(says in line for line in lines), lines
        assert len(lines) <= (2 if "missing" in says else 1), lines

    @pytest.mark.parametrize("key", ["optimizer", "description"])
    def test_only_ranges_go_into_its_table(self, write: Write, valid: str, key: str) -> None:
        text = with_own(valid, REFERENCE, f'[search_spaces."{REFERENCE}"]\n{key} = "x"\n')
        (problem,) = problems_of(write(text))
        assert f"search_spaces.mine.{key}: unknown hyperparameter, allowed: " in problem

    def test_two_files_for_it_cannot_both_be_meant(self, write: Write, valid: str) -> None:
        path = write(with_own(valid, REFERENCE))
        for stem in ("wide", "narrow"):
            text = f'optimizer = "{REFERENCE}"\n[rho]\n{RHO}'
            put(path.parent / "search_spaces" / f"{stem}.toml", text)
        (line,) = problems_of(path)
        assert "several search-space files; allowed: a file's name, 'narrow' or 'wide'" in line


class TestByTheNameOfItsFile:
    @pytest.fixture
    def path(self, write: Write, valid: str) -> Path:
        path = write(with_own(valid, "my-rule"))
        text = f'optimizer = "{REFERENCE}"\ndescription = "so"\n[rho]\n{RHO}'
        put(path.parents[1] / "search_spaces" / "my-rule.toml", text)
        return path

    def test_the_file_says_where_the_rule_is(self, path: Path) -> None:
        study = load_study(path, overrides=["search_spaces.my-rule.rho.high=1.5"])
        space = study.search_spaces["my-rule"]
        assert (space.optimizer, space.rule, space.description) == ("my-rule", REFERENCE, "so")
        assert space.ranges["rho"].high == 1.5
        assert available_search_spaces(path.parent)["my-rule"].rule == REFERENCE

    def test_its_hyperparameters_are_the_file_s(self, path: Path) -> None:
        (line,) = problems_of(path, "search_spaces.my-rule.slope={low = 0, high = 1, default = 1}")
        assert "search_spaces.my-rule.slope: unknown hyperparameter, allowed: rho, lr" in line

    @pytest.mark.parametrize(
        ("stem", "optimizer", "says"),
        [
            ("gsam", REFERENCE, "called 'gsam', a built-in's name"),
            ("1st", REFERENCE, "allowed: letters, digits, '_' and '-', a letter or '_' first"),
            (
                "other",
                "mine",
                "allowed: the file's own name, 'other', or 'package",
            ),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, write: Write, valid: str, stem: str, optimizer: str, says: str
    ) -> None:
        path = write(with_own(valid, stem) if stem != "gsam" else valid)
        space = put(path.parent / f"{stem}.toml", f'optimizer = "{optimizer}"\n[rho]\n{RHO}')
        lines = [line for line in problems_of(path) if line.startswith(f"{space}: optimizer")]
        assert says in lines[0]


def test_it_is_part_of_the_hash_and_of_the_manifest(write: Write, valid: str) -> None:
    ranges = f"[search_spaces.mine.rho]\n{RHO}"
    study = load_study(write(with_own(valid, REFERENCE, ranges)))
    resolved = json.loads(json.dumps(study.resolved(), allow_nan=False))
    assert Study.from_resolved(resolved) == study
    assert Study.from_resolved(resolved).hash == study.hash
    other = load_study(write(with_own(valid, "other:mine", ranges)))
    assert other.hash != study.hash
    assert changed_keys(study.resolved(), other.resolved()) == [
        f"search_spaces.mine.optimizer: '{REFERENCE}' → 'other:mine'"
    ]


def test_built_ins_are_not_foreign(study_file: Path) -> None:
    assert not load_study(study_file).foreign_code
    assert load_study(study_file, overrides=["task=a:b"]).foreign_code
