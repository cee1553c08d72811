"""The schemas for editors: they refuse what the program refuses of a key, and nothing else."""

import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agsam_tune.plugins import is_name
from agsam_tune.study import (
    Study,
    StudyError,
    available_search_spaces,
    available_studies,
    load_study,
    read_search_space,
)
from agsam_tune.study.files import find_search_spaces
from agsam_tune.study.hyperparameters import HYPERPARAMETER_LIMITS
from agsam_tune.study.model import PHASE_NAMES
from agsam_tune.study.schema import search_space_schema, study_schema
from agsam_tune.study.text import toml_value
from agsam_tune.tasks.catalog import BUILTIN_TASKS
from tests.study.conftest import VALID
from tests.study.test_rejections import SPOILT

Write = Callable[[str], Path]
Key = tuple[str | int, ...]

STUDY = Draft202012Validator(study_schema())
SPACE = Draft202012Validator(search_space_schema())
#: With the names that there are alone; no study of the tests has optimizers of its own.
CLOSED = Draft202012Validator(study_schema(Path(__file__).parent))

#: Every key that a study file can have, with values that are not their defaults.
WHOLE = (
    VALID.replace("momentum = 0.9", "momentum = 0.9\nnesterov = true\nmax_grad_norm = 2.0")
    .replace("momentum = 0.9", 'momentum = 0.9\nlr_schedule = "cosine"\nwarmup = 16')
    .replace("momentum = 0.9", 'momentum = 0.9\nweight_decay = 0.5\nprecision = "tf32"')
    .replace(
        "momentum = 0.9", "momentum = 0.9\nlabel_smoothing = 0.5\nbetas = [0.9, 0.999]\neps = 1e-8"
    )
    .replace("momentum = 0.9", 'momentum = 0.9\nbase_optimizer = "sgd"')
    .replace("momentum = 0.9", 'momentum = 0.9\nrho_schedule = "proportional"')
    .replace("train_size = 400", "train_size = 400\nnoise = 0.5\nwidth = 16")
    .replace(
        "high = 4.0", "high = 4.0\nlow = 0.01\nlog = true\ndefault = 0.1\nmin = 0.0\nmax = 99.0"
    )
    .replace("replicates = 4", 'replicates = 4\ndata = "fixed"')
    .replace('name = "off"', 'name = "off"\nfactor = 3.0\noptimizers = ["gsam", "adaptive_gsam"]')
    .replace('name = "radius"', 'name = "radius"\nlow = 0.5\nhigh = 16.0')
    .replace('name = "default"', 'name = "default"\nseeds = 3')
    .replace('name = "tune"', 'name = "tune"\nsampler = "gp"')
    .replace("margin = 0.005", "margin = 0.005\nepsilons = [0.01, 0.5]\nconfidence = 0.5")
    .replace("confidence = 0.5", 'confidence = 0.5\nkey = "rho"\nmax_replicates = 16')
    .replace("rows = 16", 'rows = 16\nway = "rows"\ncheckpoint = 16.0\ntime_limit = 16')
    .replace("cpus = 1", "cpus = 1\ngpus = 0.5")
    + "[sharpness]\nexamples = 16\nrho = 0.5\ngamma = 0.5\nmax_iterations = 16\n"
)

#: What the program says where the schema cannot know it: it concerns several keys, or other files.
SEVERAL_KEYS = re.compile(
    r"which is the (candidate|baseline) too|missing, needed: one of the study's optimizers"
    r"|more than one phase|allowed: (an optimizer of this study|one of the study's optimizers)"
    r"|low < high|low > 0|allowed: from low = "
    r"|missing, needed: a number: (smallest|largest|a sound) value"
    r"|momentum > 0|allowed: of the study's optimizers|which has no |without (adaptive_)?gsam"
    r"|no candidate and no baseline|that both candidate and baseline have|or neither low nor high"
    r"|a default that is not 0|allowed: at (most max|least min) = |the key is drawn by its log"
    r"|needed: low and high|a power of two|found 'sgd' 2 times"
    r"|leave none to test on|which no phase has a point for|gsam has rho, alpha"
    r"|with base_optimizer = "
)

#: What JSON has no numbers for.
NOT_IN_JSON = re.compile(r"found (nan|inf|2\.0)\b")


def dumped(study: Mapping[str, Any]) -> str:
    """A study's table as TOML, each key with an inline value."""

    def inline(value: object) -> str:
        if isinstance(value, Mapping):
            return f"{{{', '.join(f'{json.dumps(k)} = {inline(v)}' for k, v in value.items())}}}"
        if isinstance(value, list):
            return f"[{', '.join(map(inline, value))}]"
        return toml_value(value)

    return "".join(f"{json.dumps(key)} = {inline(value)}\n" for key, value in study.items())


def places(value: object, key: Key = ()) -> Iterator[Key]:
    """Every place in a study's table but the whole."""
    items: Sequence[tuple[str | int, object]] = []
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for part, item in items:
        yield (*key, part)
        yield from places(item, (*key, part))


def parent_of(study: Any, key: Key) -> Any:
    for part in key[:-1]:
        study = study[part]
    return study


def changed(key: Key, value: object) -> dict[str, Any]:
    """The whole study with another value in one place."""
    study = tomllib.loads(WHOLE)
    parent_of(study, key)[key[-1]] = copy.deepcopy(value)
    return study


def renamed(key: Key, name: str) -> dict[str, Any]:
    """The whole study with another key in one place."""
    study = tomllib.loads(WHOLE)
    table = parent_of(study, key)
    items = [(name if old == key[-1] else old, value) for old, value in table.items()]
    table.clear()
    table.update(items)
    return study


def verdict(path: Path) -> str | None:
    """What the program says of a study, or None where it takes it."""
    try:
        load_study(path)
    except StudyError as error:
        return str(error)
    return None


def check_agreement(study: Mapping[str, Any], said: str | None) -> None:
    """The schema refuses a study just where the program does, but for what it cannot know."""
    if not CLOSED.is_valid(study):
        assert said is not None
    elif said is not None:
        assert [line for line in said.splitlines() if not SEVERAL_KEYS.search(line)] == []


PLACES = list(places(tomllib.loads(WHOLE)))
KEYS = [key for key in PLACES if isinstance(key[-1], str)]

#: Values of every type, such that a number of the right type is also in range.
VALUES: Sequence[object] = ("word", 16, 0.5, True, [], ["word"], [16], {}, {"word": 16}, [{}])


class TestTheyAreSchemas:
    @pytest.mark.parametrize("validator", [STUDY, SPACE, CLOSED], ids=["study", "space", "closed"])
    def test_of_their_dialect(self, validator: Draft202012Validator) -> None:
        schema: Any = validator.schema
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert json.loads(json.dumps(schema, allow_nan=False)) == schema

    @pytest.mark.parametrize("schema", [study_schema(), search_space_schema()])
    def test_every_key_is_described_and_no_title_repeats_it(self, schema: Any) -> None:
        tables = [schema, *schema["$defs"].values()]
        assert len(tables) > 1
        for table in tables:
            assert table["description"]
            for name, of in table.get("properties", {}).items():
                assert of.get("description") or "$ref" in of or name in HYPERPARAMETER_LIMITS, name
        assert '"title"' not in json.dumps({key: schema[key] for key in ("properties", "$defs")})
        assert "null" not in json.dumps(schema)

    def test_words_that_are_known_are_listed(self) -> None:
        properties = study_schema()["properties"]
        (listed, _) = properties["optimizers"]["items"]["anyOf"]
        assert listed["enum"] == list(available_search_spaces())
        (listed, _) = properties["task"]["anyOf"]
        assert listed["enum"] == list(BUILTIN_TASKS)
        phase = properties["phases"]["items"]["properties"]["name"]
        assert phase["enum"] == list(PHASE_NAMES)
        training = study_schema()["$defs"]["Training"]["properties"]
        assert training["base_optimizer"]["enum"] == ["sgd", "adam", "adamw"]
        assert training["base_optimizer"]["default"] == "sgd"
        assert training["epochs"]["minimum"] == 1


class TestWhatIsRight:
    @pytest.mark.parametrize("validator", [STUDY, CLOSED], ids=["open", "closed"])
    @pytest.mark.parametrize("path", available_studies().values(), ids=lambda path: path.stem)
    def test_studies(self, path: Path, validator: Draft202012Validator) -> None:
        validator.validate(tomllib.loads(path.read_text("utf-8")))

    @pytest.mark.parametrize("path", find_search_spaces(None).values(), ids=lambda p: p.stem)
    def test_search_spaces(self, path: Path) -> None:
        SPACE.validate(tomllib.loads(path.read_text("utf-8")))

    def test_every_key_of_the_records_is_in_the_whole_study(self, write: Write) -> None:
        # So that the tests below change each of them.
        assert isinstance(load_study(write(WHOLE)), Study)
        CLOSED.validate(tomllib.loads(WHOLE))
        said = {key[-1] for key in PLACES}
        for name, table in study_schema()["$defs"].items():
            if not name.endswith("Options"):
                assert set(table["properties"]) <= said | HYPERPARAMETER_LIMITS.keys(), name

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"gsam_matched"]', '"gsam_matched", "my_pkg.rules:mine"]'),
            ('"gsam_matched"]', '"gsam_matched", "my-rule"]'),
            ('candidate = "adaptive_gsam"', 'candidate = "mine"'),
            ('task = "moons"', 'task = "my_tasks:blobs"'),
            ('task = "moons"', 'task = "blobs"'),
            ("[search_spaces.gsam.rho]", '[search_spaces."my_pkg.rules:mine".slope]'),
            ('optimizer = "sgd"', 'optimizer = "my_pkg.rules:mine"\nslope = 3'),
        ],
    )
    def test_names_of_ones_own(self, old: str, new: str) -> None:
        text = VALID.replace(old, new, 1)
        if "task =" in new:
            text = text.replace("train_size = 400", "a = 1\nb = ['x', {c = 0.5}]")
        STUDY.validate(tomllib.loads(text))

    def test_a_search_space_of_ones_own(self) -> None:
        text = 'optimizer = "my_rules:mine"\n[slope]\nlow = 0\nhigh = 1\ndefault = 0.5\n'
        SPACE.validate(tomllib.loads(text))


class TestWhatIsWrong:
    @pytest.mark.parametrize(("old", "new"), [(old, new) for old, new, _, _ in SPOILT])
    def test_as_the_program_says(self, write: Write, old: str, new: str) -> None:
        path = write(VALID.replace(old, new, 1))
        try:
            study = tomllib.loads(path.read_text("utf-8"))
        except tomllib.TOMLDecodeError:
            return
        said = verdict(path)
        assert said
        if not NOT_IN_JSON.search(said):
            check_agreement(study, said)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[rho]\nlow = 1\nhigh = 2\ndefault = 1\n",
            'optimizer = "gsam"\nrho = 3\n',
            'optimizer = "gsam"\n[rho]\nlow = 1\nhigh = 2\n',
            'optimizer = "gsam"\n[rho]\nlow = 1\nhigh = 2\ndefault = 1\nlg = true\n',
            'optimizer = "gsam"\n[rho]\nlow = "1"\nhigh = 2\ndefault = 1\n',
            'optimizer = "gsam"\n[Rho]\nlow = 1\nhigh = 2\ndefault = 1\n',
            'optimizer = "gsam"\n[seed]\nlow = 1\nhigh = 2\ndefault = 1\n',
            'optimizer = "my-rules:mine"\n',
            'optimizer = "gsam"\ndescription = 3\n',
            'optimizer = "gsam"\n[rho]\nlow = -1\nhigh = 2\ndefault = 1\n',
            'optimizer = "gsam"\n[momentum]\nlow = 0\nhigh = 1\ndefault = 0\n',
        ],
    )
    def test_search_spaces(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "gsam.toml"
        path.write_text(text)
        with pytest.raises(StudyError):
            read_search_space(path)
        assert not SPACE.is_valid(tomllib.loads(text))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"gsam",', '"gsma",'),
            ('task = "moons"', 'task = "moon"'),
        ],
    )
    def test_only_the_closed_one_knows_which_names_there_are(self, old: str, new: str) -> None:
        study = tomllib.loads(VALID.replace(old, new, 1))
        assert STUDY.is_valid({**study, "task_options": {}})
        assert not CLOSED.is_valid({**study, "task_options": {}})

    def test_it_is_said_of_the_key_itself(self) -> None:
        study = tomllib.loads(VALID.replace('"default"', '"default"\nseed = 3'))
        (error,) = STUDY.iter_errors(study)
        assert list(error.absolute_path) == ["phases", 6]
        assert "'seed' was unexpected" in error.message


class TestAgreement:
    @pytest.mark.parametrize("key", KEYS, ids=lambda key: ".".join(map(str, key)))
    def test_of_unknown_keys(self, write: Write, key: Key) -> None:
        study = renamed(key, "word")
        check_agreement(study, verdict(write(dumped(study))))

    @pytest.mark.parametrize(
        "every", [3, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"]
    )
    @pytest.mark.parametrize("key", PLACES, ids=lambda key: ".".join(map(str, key)))
    def test_of_types(self, write: Write, key: Key, every: int) -> None:
        """A third of the values at each place, others at the next one, and all at all places."""
        for value in VALUES[PLACES.index(key) % every :: every]:
            study = changed(key, value)
            check_agreement(study, verdict(write(dumped(study))))

    @given(
        key=st.sampled_from(PLACES),
        value=st.recursive(
            st.booleans()
            | st.integers(-9, 99)
            | st.floats(-9, 99)
            | st.sampled_from(
                ["auto", "sgd", "adam", "sobol", "grid", "fixed", "cosine", "rows", "moons", "a:b"]
            ),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["low", "name", "points", "rho"]), inner, max_size=3
                )
            ),
            max_leaves=4,
        ),
    )
    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_what_the_program_takes_the_schema_does(
        self, write: Write, key: Key, value: object
    ) -> None:
        study = changed(key, value)
        if not STUDY.is_valid(study):
            assert verdict(write(dumped(study))) is not None

    @pytest.mark.parametrize(
        ("name", "allowed"),
        [
            *((name, True) for name in ("a", "_", "my-rule", "x9_-")),
            *((name, False) for name in ("", "9", "-a", "a b", "ä", "a.b")),
        ],
    )
    def test_of_names_of_ones_own(self, name: str, allowed: bool) -> None:
        study = {**tomllib.loads(VALID), "optimizers": [name]}
        assert STUDY.is_valid(study) is is_name(name) is allowed
