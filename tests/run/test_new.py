"""`agsam-tune new`: what it writes runs as it is, and it writes over nothing."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from agsam_tune.cli import app
from agsam_tune.contract import check_task
from agsam_tune.new import DEFAULT_OPTIMIZERS
from agsam_tune.study import Study, available_search_spaces, available_studies, load_study
from agsam_tune.study.tables import OPTIONAL_SECTIONS, PHASE_TABLES, SECTIONS, Header
from agsam_tune.tasks.catalog import BUILTIN_TASKS
from tests.run.commands import invoke, results, tree

# Of what `new` writes: all phases, in seconds.
TINY = [
    *("--set", "training.epochs=1", "--set", "replicates=2", "--set", "phases.map.points=2"),
    *("--set", "phases.tune.points=2", "--set", "phases.misset.points=2"),
]
TINY_CLAIM = [
    *("--set", "phases.key.points=3", "--set", "phases.off.points=3"),
    *("--set", "phases.radius.points=3"),
    *("--set", "phases.radius.low=0.1", "--set", "phases.radius.high=1.0"),
]
FEWER_MOONS = ["--set", "task_options.train_size=200", "--set", "task_options.n=2400"]
FEWER_DIGITS = ["--set", "task_options.train_size=100"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


PHASES = ("map", "key", "off", "radius", "tune", "misset", "default")


def new(*arguments: str) -> list[str]:
    """The lines that a call prints which is right."""
    done = CliRunner().invoke(app, ["new", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def refused(*arguments: str) -> list[str]:
    """The lines that a call prints which is wrong; nothing is written."""
    before = tree(Path.cwd())
    done = CliRunner().invoke(app, ["new", *arguments])
    assert done.exit_code == 2, done.output
    assert tree(Path.cwd()) == before
    return done.stderr.splitlines()


def comments_missing(path: Path) -> list[str]:
    """Lines with a key, said or unsaid, that have no comment on them or below them."""
    lines = path.read_text("utf-8").splitlines()
    pairs = zip(lines, [*lines[1:], ""], strict=True)
    keys = [(line, below) for line, below in pairs if re.match(r"(# )?[a-z_]+ = ", line)]
    assert keys
    return [line for line, below in keys if " # " not in line and not below.startswith(" " * 32)]


class TestFiles:
    def test_they_are_named_with_the_next_command(self) -> None:
        spaces = [f"search_spaces/{name}.toml" for name in DEFAULT_OPTIMIZERS]
        schemas = ["schemas/study.json", "schemas/search-space.json"]
        files = [*spaces, *schemas, "mine.toml"]
        *wrote, following = new("mine")
        assert wrote == [f"Wrote {path}" for path in files]
        assert following == "Next: agsam-tune plan mine.toml, and agsam-tune run mine.toml"
        assert [path for path in tree(Path()) if "." in path] == sorted(files)

    def test_the_help_knows_the_default(self) -> None:
        shown = CliRunner().invoke(app, ["new", "--help"]).stdout
        assert ",".join(DEFAULT_OPTIMIZERS) in shown

    @pytest.mark.parametrize("task", BUILTIN_TASKS)
    def test_a_study_of_each_task_is_right(self, task: str) -> None:
        new("mine", "--task", task)
        study = load_study(Path("mine.toml"))
        assert (study.name, study.task, study.optimizers) == ("mine", task, DEFAULT_OPTIMIZERS)
        assert (study.candidate, study.baseline) == ("adaptive_gsam", "gsam")
        assert study.control == "gsam_matched"
        assert tuple(phase.name for phase in study.phases) == PHASES
        if task in available_studies():
            shipped = load_study(available_studies()[task])
            assert study.training == shipped.training
            assert study.task_options == shipped.task_options

    def test_every_key_has_a_comment(self) -> None:
        new("mine", "--task", "my_tasks:blobs")
        for path in (Path("mine.toml"), *Path("search_spaces").iterdir()):
            assert comments_missing(path) == []
            assert max(map(len, path.read_text("utf-8").splitlines())) <= 100

    def test_every_key_is_there(self) -> None:
        new("mine")
        text = Path("mine.toml").read_text("utf-8")
        models = [Header, BUILTIN_TASKS["moons"].options, *(PHASE_TABLES[n] for n in PHASES)]
        models += [model for name, model in SECTIONS.items() if name != "reference"]
        for model in models:
            for key, field in model.model_fields.items():
                if field.is_required() or field.default is not None or field.examples:
                    assert re.search(rf"^(# )?{key} = ", text, re.MULTILINE), key

    def test_what_is_unsaid_can_be_said(self) -> None:
        # Taking a "#" away changes nothing, and a table's first of all.
        new("mine")
        path = Path("mine.toml")
        before = load_study(path)
        lines = path.read_text("utf-8").splitlines()
        said = [re.sub(r"^# (\[?[a-z_]+\]? *(=|#) ?)", r"\1", line) for line in lines]
        path.write_text("\n".join(line for line in said if not line.startswith("max_grad_norm")))
        after = load_study(path, overrides=["training.betas=[0.9, 0.999]"])
        assert after.sharpness is not None
        assert OPTIONAL_SECTIONS == ("sharpness",)
        assert after.model_copy(update={"sharpness": None}) == before

    @pytest.mark.parametrize("kind", ["study", "search-space"])
    def test_editors_find_the_schema(self, kind: str) -> None:
        new("mine", "--dir", "work")
        files = {"study": ["work/mine.toml"], "search-space": Path("work/search_spaces").iterdir()}
        for path in map(Path, files[kind]):
            text = path.read_text("utf-8")
            named = re.match(r"#:schema (\S+)\n", text)
            assert named
            schema = json.loads((path.parent / named[1]).read_text("utf-8"))
            assert schema["title"] == f"agsam-tune {kind}"
            Draft202012Validator(schema).validate(tomllib.loads(text))

    def test_search_spaces_are_the_built_in_ones(self) -> None:
        builtin = available_search_spaces()
        new("mine", "--optimizers", ",".join(builtin))
        study = load_study(Path("mine.toml"))
        assert dict(study.search_spaces) == builtin
        assert set(tree(Path("search_spaces"))) == {f"{name}.toml" for name in builtin}

    def test_those_beside_the_study_count(self) -> None:
        new("mine")
        path = Path("search_spaces/gsam.toml")
        path.write_text(path.read_text("utf-8").replace("high = 8.0", "high = 2.0"))
        assert load_study(Path("mine.toml")).search_spaces["gsam"].ranges["rho"].high == 2.0

    @pytest.mark.parametrize(
        ("optimizers", "roles"),
        [
            ("sgd", (None, None, None)),
            ("sam, asam", ("asam", "sam", None)),
            ("adaptive_gsam,sgd,gsam", ("adaptive_gsam", "gsam", None)),
            ("sgd,sam", (None, None, None)),
            ("sam,asam,sgd_2x", ("asam", "sam", None)),
        ],
    )
    def test_roles(self, optimizers: str, roles: tuple[str | None, ...]) -> None:
        said = new("mine", "--optimizers", optimizers)
        study = load_study(Path("mine.toml"))
        assert (study.candidate, study.baseline, study.control) == roles
        nothing = any(line.startswith("Nothing is compared yet") for line in said)
        assert nothing == (study.candidate is None)
        assert (study.phase("off") is None) == (roles == (None, None, None))

    def test_an_optimizer_of_ones_own_keeps_its_search_space(self) -> None:
        Path("search_spaces").mkdir()
        text = 'optimizer = "my_rules:mine"\n[rho]\nlow = 0.1\nhigh = 1\ndefault = 0.5\n'
        Path("search_spaces/root.toml").write_text(text)
        new("mine", "--optimizers", "sam,root")
        assert load_study(Path("mine.toml")).search_spaces["root"].rule == "my_rules:mine"
        assert Path("search_spaces/root.toml").read_text() == text


class TestWhatIsThere:
    def test_a_study_is_not_written_over(self) -> None:
        Path("mine.toml").write_text("precious")
        assert refused("mine") == [
            "agsam-tune: mine.toml: is there already; choose another name, or write over it: "
            "--force"
        ]
        new("mine", "--force")
        assert load_study(Path("mine.toml")).name == "mine"

    def test_nor_where_a_link_leads_nowhere(self) -> None:
        Path("mine.toml").symlink_to("nowhere.toml")
        assert "is there already" in refused("mine")[0]

    def test_search_spaces_are_kept_unless_forced(self) -> None:
        new("mine")
        path = Path("search_spaces/gsam.toml")
        mine = path.read_text("utf-8").replace("high = 8.0", "high = 2.0")
        path.write_text(mine)
        lines = new("other")
        assert "Kept search_spaces/gsam.toml, which was there" in lines
        assert "Wrote other.toml" in lines
        assert path.read_text("utf-8") == mine
        new("other", "--force")
        assert path.read_text("utf-8") != mine

    def test_only_schemas_that_were_made_are_made_again(self) -> None:
        new("mine")
        made = Path("schemas/study.json")
        made.write_text(made.read_text("utf-8").replace('"epochs"', '"epoch"'))
        Path("schemas/search-space.json").write_text("{}")
        new("other", "--force")
        assert '"epochs"' in made.read_text("utf-8")
        assert Path("schemas/search-space.json").read_text() == "{}"

    @pytest.mark.parametrize("module", ["my_tasks", "my_pkg.tasks"])
    def test_a_module_is_never_written_over(self, module: str) -> None:
        path = Path(*module.split(".")).with_suffix(".py")
        assert f"Wrote {path}" in new("mine", "--task", f"{module}:blobs")
        path.write_text("# mine now\n")
        lines = new("mine", "--task", f"{module}:blobs", "--force")
        assert f"Kept {path}, which was there" in lines
        assert path.read_text() == "# mine now\n"
        assert load_study(Path("mine.toml")).task_options == {}

    def test_a_module_can_be_added_to_a_package_of_ones_own(self) -> None:
        Path("my_pkg").mkdir()
        Path("my_pkg/__init__.py").touch()
        new("mine", "--task", "my_pkg.tasks:blobs")
        assert "def blobs(" in Path("my_pkg/tasks.py").read_text("utf-8")

    def test_an_installed_module_is_left_alone(self) -> None:
        lines = new("mine", "--task", "json.decoder:blobs")
        assert any(line.startswith("Kept ") and "decoder.py" in line for line in lines)
        assert not Path("json").exists()

    @pytest.mark.parametrize("place", ["file", "file/below"])
    def test_a_folder_that_cannot_be(self, place: str) -> None:
        Path("file").write_text("in the way")
        (line,) = refused("mine", "--dir", place)
        assert "file" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mine", "--task", "moon"], "--task: found 'moon', allowed: moons, paper_moons"),
        (["mine", "--task", "moon"], "did you mean 'moons'?"),
        (["mine", "--task", "my_tasks:"], "'package.module:function' for one's own"),
        (["mine", "--task", "my_tasks:class"], "allowed: another name than 'class'"),
        (["mine", "--task", "my_tasks:Task"], "allowed: another name than 'Task'"),
        (["mine", "--task", "json.mine:blobs"], "but there is a json without such a module in"),
        (["mine", "--optimizers", "sgd,gsma"], "--optimizers: found 'gsma', allowed: one that"),
        (["mine", "--optimizers", "sgd,gsma"], "did you mean 'gsam'?"),
        (["mine", "--optimizers", "sgd,sgd"], "--optimizers: found 'sgd' 2 times, allowed: once"),
        (["mine", "--optimizers", ""], "--optimizers: found '', allowed: adaptive_gsam, "),
        (["mine", "--optimizers", "my_rules:mine"], "found 'my_rules:mine'"),
        (["my study"], "the study's name: found 'my study', allowed: letters, digits, '_'"),
        (["mine.toml"], "allowed: a name without an ending"),
        (["work/mine"], "--dir names the folder"),
        (["../mine"], "--dir names the folder"),
        ([".."], "found '..', allowed: letters"),
    ],
)
def test_wrong_words(arguments: list[str], says: str) -> None:
    (line,) = refused(*arguments)
    assert says in line


def test_all_wrong_words_at_once() -> None:
    assert len(refused("a/b", "--task", "moon", "--optimizers", "gsma,gsma")) == 4


class TestRuns:
    @pytest.mark.parametrize(
        ("task", "more"),
        [
            pytest.param("moons", (*FEWER_MOONS, "--no-report"), marks=pytest.mark.slow),
            pytest.param("digits", (*FEWER_DIGITS, "--no-report"), marks=pytest.mark.slow),
            ("my_tasks:blobs", ()),
        ],
    )
    def test_at_once(self, task: str, more: tuple[str, ...], here: Path) -> None:
        *_, last = new("mine", "--task", task, "--dir", "my work")
        assert last.endswith("and agsam-tune run 'my work/mine.toml'")
        table = self.trials_of("my work/mine.toml", *TINY_CLAIM, *more)
        assert set(table["state"]) == {"COMPLETE"}
        assert set(table["optimizer"]) == set(DEFAULT_OPTIMIZERS)
        assert set(table["phase"]) == set(PHASES)
        assert (here / "runs" / "mine" / "report.html").is_file() == (not more)

    @pytest.mark.parametrize("optimizers", [pytest.param("sgd,sam", marks=pytest.mark.slow), "sgd"])
    def test_with_a_report(self, optimizers: str, here: Path) -> None:
        new("mine", "--optimizers", optimizers, "--task", "my_tasks:blobs")
        table = self.trials_of("mine")
        assert set(table["optimizer"]) == set(optimizers.split(","))
        assert (here / "runs" / "mine" / "report.html").is_file()

    @staticmethod
    def trials_of(study: str, *arguments: str) -> pd.DataFrame:
        """The trials of a tiny run, in which nothing failed."""
        done = invoke("run", study, *TINY, *arguments, "--executor", "inline")
        assert done.returncode == 0, done.stdout + done.stderr
        return results(Path("runs/mine"))

    def test_the_module_keeps_a_tasks_contract(self, monkeypatch: pytest.MonkeyPatch) -> None:
        new("mine", "--task", "written_tasks:blobs")
        monkeypatch.syspath_prepend(".")
        check_task("written_tasks:blobs", {"label_noise": 0.2, "classes": 4})
        text = Path("written_tasks.py").read_text("utf-8")
        (command,) = re.findall(r"^    python -c \"(.*)\"$", text, re.MULTILINE)
        exec(command, {})  # noqa: S102

    def test_the_module_is_formatted(self) -> None:
        new("mine", "--task", "my_tasks:blobs")
        ruff = str(Path(sys.executable).parent / "ruff")
        options = ["--isolated", "--line-length", "100", "my_tasks.py"]
        for words in (["format", "--check"], ["check", "--select", "E,F,W,B,NPY,UP"]):
            done = subprocess.run(
                [ruff, *words, *options], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr


def test_resolved_studies_do_not_depend_on_comments() -> None:
    new("mine")
    study = load_study(Path("mine.toml"))
    assert Study.from_resolved(json.loads(json.dumps(study.resolved()))) == study
