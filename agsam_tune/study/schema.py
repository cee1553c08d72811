"""JSON Schemas of study files and of search-space files, by which editors complete and check them.

In: the models that the files are validated with, and the names of tasks and optimizers. Out: dicts
that can be written as JSON. What concerns one key alone is in them: its name, its type, its range,
the words that it may be. What concerns several keys (points that are a power of two, a candidate
that is among the optimizers) the program alone checks, and JSON Schema takes 2.0 for an integer.
Nothing that the program accepts is refused.
Must not import torch, Ray, Optuna or pandas.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from agsam_tune import __version__
from agsam_tune.plugins import NAME_PATTERN, REFERENCE_PATTERN, TASKS, announced
from agsam_tune.study.files import find_search_spaces
from agsam_tune.study.hyperparameters import BASE_HYPERPARAMETERS, HYPERPARAMETER_LIMITS
from agsam_tune.study.model import Range
from agsam_tune.study.references import OWN, announced_optimizers
from agsam_tune.study.spaces import HYPERPARAMETER_PATTERN, RESERVED, read_search_space
from agsam_tune.study.tables import (
    OPTIONAL_SECTIONS,
    PHASE_TABLES,
    SECTIONS,
    STUDY_KEYS,
    Header,
    SearchSpaceTable,
)
from agsam_tune.tasks.catalog import BUILTIN_TASKS

__all__ = ["MADE_BY", "search_space_schema", "study_schema"]

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ROLES = ("candidate", "baseline", "control")
_OPTIONS = {name: entry.options for name, entry in BUILTIN_TASKS.items()}

#: What the comment of every schema begins with, so that it is known for a file that was made.
MADE_BY = "Made by agsam-tune"

#: The definition of what a study changes of a range.
_CHANGE = "RangeChange"

_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}

#: What a hyperparameter can be called.
_HYPERPARAMETER: Schema = {
    "pattern": f"^{HYPERPARAMETER_PATTERN}$",
    "not": {"enum": sorted(RESERVED)},
}


def study_schema(study_dir: Path | None = None) -> Schema:
    """The schema of study files.

    Args:
        study_dir: with it, `task` and `optimizers` take only what a study in this folder can name
            now. Without it they take any name, and the built-in ones are there to be completed.
    """
    definitions = _definitions(
        [Header, *SECTIONS.values(), *PHASE_TABLES.values(), Range, *_OPTIONS.values()]
    )
    optimizer = _names(find_search_spaces(None), closed=False)
    for name in ("FixedPointTable", "PublishedResult"):
        definitions[name]["properties"]["optimizer"] |= optimizer
    point = definitions["FixedPointTable"]
    point["properties"] |= {name: _limits(name) for name in HYPERPARAMETER_LIMITS}
    definitions |= _named_ranges(_CHANGE, _range_change(definitions[Range.__name__]))
    header = definitions.pop(Header.__name__)
    # The roles may also be short names of references, so they stay open.
    for role in _ROLES:
        header["properties"][role] |= optimizer
    header["properties"]["task"] |= _task_names(study_dir)
    header["properties"]["optimizers"]["items"] |= _optimizer_names(study_dir)
    properties = {
        **header["properties"],
        "task_options": _task_options(),
        **{name: _ref(model) for name, model in SECTIONS.items()},
        "search_spaces": _search_spaces(),
        "phases": _phases(),
    }
    needed = [
        name
        for name, model in SECTIONS.items()
        if name not in OPTIONAL_SECTIONS and "required" in definitions[model.__name__]
    ]
    return {
        **_head("study", "A study: a task, a training recipe, optimizers and phases."),
        "type": "object",
        "properties": {name: properties[name] for name in STUDY_KEYS},
        "required": [*header["required"], *needed, "phases"],
        "additionalProperties": False,
        **_chain(
            "task",
            {
                task: {"properties": {"task_options": _ref(options)}}
                for task, options in _OPTIONS.items()
            },
        ),
        "$defs": definitions,
    }


def search_space_schema() -> Schema:
    """The schema of search-space files."""
    definitions = _definitions([SearchSpaceTable, Range])
    definitions |= _named_ranges(Range.__name__, definitions[Range.__name__])
    table = definitions.pop(SearchSpaceTable.__name__)
    table["properties"]["optimizer"] |= _optimizer_names(None)
    keys = {"enum": list(SearchSpaceTable.model_fields)}
    return {
        **_head("search-space", "What an optimizer's hyperparameters are drawn from."),
        "type": "object",
        "properties": {**table["properties"], **_ranges(HYPERPARAMETER_LIMITS, Range.__name__)},
        "required": table["required"],
        "propertyNames": {"anyOf": [keys, _HYPERPARAMETER]},
        "additionalProperties": _ref(Range),
        "$defs": definitions,
    }


class _ForToml(GenerateJsonSchema):
    """Leaves out null, which TOML does not have, and titles that only repeat a name."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if "default" in schema and schema["default"] is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        found.pop("title", None)
        return found

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False


def _definitions(models: Iterable[type[BaseModel]]) -> Schema:
    """The models' schemas, and those of the models in them, by the models' names."""
    _, found = models_json_schema(
        [(model, "validation") for model in models],
        schema_generator=_ForToml,
        ref_template="#/$defs/{model}",
    )
    definitions: Schema = found["$defs"]
    return definitions


def _head(kind: str, description: str) -> Schema:
    return {
        "$schema": _DIALECT,
        "$comment": f"{MADE_BY} {__version__}: agsam-tune schema {kind}",
        "title": f"agsam-tune {kind}",
        "description": description,
    }


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": f"#/$defs/{model.__name__}"}


def _range_change(whole: Mapping[str, Any]) -> Schema:
    """A range of which any key may be left out, since it changes one that is whole."""
    changed = {key: value for key, value in whole.items() if key != "required"}
    return {**changed, "description": "What this study changes of a range."}


def _names(known: Iterable[str], *, closed: bool) -> Schema:
    """The words that a task or an optimizer may be called."""
    own = REFERENCE_PATTERN if closed else f"{NAME_PATTERN}|{REFERENCE_PATTERN}"
    listed = {"enum": list(known)}
    return {"anyOf": [listed, {"pattern": f"^({own})$", "description": f"or {OWN}"}]}


def _task_names(study_dir: Path | None) -> Schema:
    if study_dir is None:
        return _names(BUILTIN_TASKS, closed=False)
    return _names([*BUILTIN_TASKS, *announced(TASKS, BUILTIN_TASKS)[0]], closed=True)


def _optimizer_names(study_dir: Path | None) -> Schema:
    files = find_search_spaces(study_dir)
    if study_dir is None:
        return _names(files, closed=False)
    return _names(dict.fromkeys([*files, *announced_optimizers()[0]]), closed=True)


def _task_options() -> Schema:
    """Any table; what a built-in task takes is said beside the task."""
    description = "What the task is given: a built-in's options, or the arguments of one's own."
    tables = map(_ref, dict.fromkeys(_OPTIONS.values()))
    return {"type": "object", "description": description, **_to_complete(tables)}


def _phases() -> Schema:
    tables = {name: _ref(model) for name, model in PHASE_TABLES.items()}
    entry = {
        "type": "object",
        "properties": {"name": {"enum": list(tables), "description": "which phase it is"}},
        "required": ["name"],
        **_to_complete(tables.values()),
        **_chain("name", tables),
    }
    return {
        "type": "array",
        "description": "[[phases]]: sets of points, each phase at most once.",
        "minItems": 1,
        "items": entry,
    }


def _search_spaces() -> Schema:
    """The changes of each optimizer: a built-in has the hyperparameters of its file."""
    description = SearchSpaceTable.model_fields["ascent"].description
    ascent = {"type": "boolean", "description": description}
    built_in: Schema = {}
    for name, path in find_search_spaces(None).items():
        space = read_search_space(path)
        built_in[name] = {
            "type": "object",
            "description": space.description,
            "properties": _ranges((*space.names, *BASE_HYPERPARAMETERS), _CHANGE),
            "additionalProperties": False,
        }
    own = {
        "type": "object",
        "properties": {"ascent": ascent, **_ranges(HYPERPARAMETER_LIMITS, _CHANGE)},
        "propertyNames": {"anyOf": [{"const": "ascent"}, _HYPERPARAMETER]},
        "additionalProperties": {"$ref": f"#/$defs/{_CHANGE}"},
    }
    return {
        "type": "object",
        "description": "Ranges that are others in this study: [search_spaces.OPTIMIZER.NAME].",
        "properties": built_in,
        "additionalProperties": own,
    }


def _limits(hyperparameter: str) -> Schema:
    """The numbers that a hyperparameter of this name can be."""
    limits = HYPERPARAMETER_LIMITS.get(hyperparameter, {})
    return {"type": "number", **{_BOUNDS[bound]: limit for bound, limit in limits.items()}}


def _named_ranges(definition: str, table: Schema) -> Schema:
    """A definition, and those of the hyperparameters that have limits, within these.

    They are whole, for not all editors read what stands beside a `$ref`.
    """
    found = {definition: table}
    for name in HYPERPARAMETER_LIMITS:
        bounds = {
            bound: table["properties"][bound] | _limits(name)
            for bound in ("low", "high", "default", "min", "max")
        }
        found[f"{definition}_{name}"] = {**table, "properties": table["properties"] | bounds}
    return found


def _ranges(hyperparameters: Iterable[str], definition: str) -> Schema:
    """The range of each of the hyperparameters, by a definition of `_named_ranges`."""
    return {
        name: {"$ref": f"#/$defs/{definition}{f'_{name}' if name in HYPERPARAMETER_LIMITS else ''}"}
        for name in dict.fromkeys(hyperparameters)
    }


def _to_complete(tables: Iterable[Schema]) -> Schema:
    """Lets editors complete the keys of all of `tables` where only a condition says which it is.

    They look into `anyOf`, but not behind `if`. The last of them takes anything, so that what is
    wrong is said by the condition's own schema, by name, and not as "none of these".
    """
    return {"anyOf": [*tables, {}]}


def _chain(key: str, by_word: Mapping[str, Schema]) -> Schema:
    """`if` one word `then` its schema, `else` the next; editors complete badly beside `allOf`."""
    chain: Schema = {}
    for word, schema in reversed(list(by_word.items())):
        condition = {"properties": {key: {"const": word}}, "required": [key]}
        chain = {"if": condition, "then": schema, **({"else": chain} if chain else {})}
    return chain
