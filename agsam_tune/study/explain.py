"""Turns what pydantic finds into our own problems: what was found, what is allowed, what is near.

In: a `ValidationError` and the model it is from. Out: entries in `Problems`. Must not import
torch, Ray, Optuna or pandas.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from agsam_tune.study.errors import Problems, nearest, show, unknown_name
from agsam_tune.study.hyperparameters import SIGNS
from agsam_tune.study.model import NOT_ALLOWED

__all__ = ["add_validation_error"]

_KINDS: Mapping[str, str] = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}

_WORDS: Mapping[object, str] = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "true or false",
    tuple: "a list",
    dict: "a table",
}


def add_validation_error(
    problems: Problems,
    error: ValidationError,
    model: type[BaseModel],
    *,
    prefix: str = "",
    file: str | None = None,
    from_keys: Sequence[str] = (),
) -> None:
    """Adds a problem for each of `error`'s findings.

    Args:
        problems: where to add.
        error: what `model.model_validate` raised.
        model: the model, for the names and ranges that it allows.
        prefix: the dotted key of the table that was validated; "" for a whole file.
        file: the file it is in; None is the study file.
        from_keys: other keys of the study file that `model` was chosen by.
    """
    for found in error.errors(include_url=False):
        details = _of_the_list(found)
        key = _dotted(prefix, details["loc"])
        # What is missing may be missing because a `--set` made the table that it belongs to.
        related = [_dotted(prefix, details["loc"][:-1])] if details["type"] == "missing" else []
        for message in _messages(details, model):
            problems.add(key, message, file=file, related=[*related, *from_keys])


def _of_the_list(details: ErrorDetails) -> ErrorDetails:
    """What is missing in a list of a fixed length is a finding about the list."""
    location = details["loc"]
    if details["type"] == "missing" and location and isinstance(location[-1], int):
        return {**details, "type": "tuple_length", "loc": location[:-1]}
    return details


def _dotted(prefix: str, location: Sequence[int | str]) -> str:
    key = prefix
    for part in location:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            key += f".{part}" if key else part
    return key


def _messages(details: ErrorDetails, model: type[BaseModel]) -> list[str]:
    kind, location, context = details["type"], details["loc"], details.get("ctx", {})
    field = _field_at(model, location)
    if kind == "missing":
        wanted = f"{_allowed(field)}: {field.description}" if field else "a value"
        return [f"missing, needed: {wanted}"]
    if kind == "extra_forbidden":
        names = _names_at(model, location[:-1])
        allowed = f"allowed: {', '.join(names)}" if names else "this table takes no keys"
        return [f"unknown key, {allowed}{nearest(location[-1], names)}"]
    if kind == "literal_error" and field:
        return [unknown_name(details["input"], _literals(field))]
    if kind == NOT_ALLOWED:
        return [f"found {show(details['input'])}, allowed: {details['msg']}"]
    if kind == "value_error":
        return str(context["error"]).splitlines()
    if kind == "too_short":
        return [
            f"found {show(details['input'])}, allowed: at least {context['min_length']} of them"
        ]
    return [f"found {show(details['input'])}, allowed: {_allowed(field, details)}"]


def _allowed(field: FieldInfo | None, details: ErrorDetails | None = None) -> str:
    """What a field takes, such as "a number >= 0 and < 1", from its annotation and its bounds.

    Without a field (an entry of a list, a hyperparameter), what the finding itself says.
    """
    kind = _KINDS.get(details["type"], "") if details else ""
    bounds = dict(details.get("ctx", {})) if details else {}
    if field:
        if names := _literals(field):
            return " or ".join(repr(name) for name in names)
        if get_origin(field.annotation) is tuple:
            return _list_of(get_args(field.annotation))
        kind = _kind_of(field.annotation) or kind
        bounds |= _bounds_in(field.metadata) | _bounds_in(get_args(field.annotation))
    limits = " and ".join(
        f"{sign} {bounds[name]:g}" for name, sign in SIGNS.items() if name in bounds
    )
    if not kind and not limits and details:
        return details["msg"]
    return f"{kind or 'a number'} {limits}".strip()


def _list_of(items: Sequence[Any]) -> str:
    """What a list takes, such as "a list of 2 numbers >= 0 and < 1"."""
    one = _allowed(FieldInfo.from_annotation(items[0]))
    number = "" if Ellipsis in items else f"{len(items)} "
    kind, _, limits = one.removeprefix("a ").removeprefix("an ").partition(" ")
    return f"a list of {number}{kind}s {limits}".strip()


def _kind_of(annotation: object) -> str:
    """The word for a field's type; an optional field has that of what it may hold."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    if get_origin(annotation) in (tuple, dict):
        return _WORDS[get_origin(annotation)]
    members = [member for member in get_args(annotation) if member is not type(None)]
    if get_origin(annotation) is Annotated or len(members) == 1:
        return _kind_of(members[0])
    return "a table" if _is_model(annotation) else ""


def _bounds_in(metadata: Iterable[object]) -> dict[str, float]:
    """The bounds among a field's metadata, or among the members of an optional field."""
    found: dict[str, float] = {}
    for item in metadata:
        # Annotated[int, Field(ge=1)] keeps its bounds in the FieldInfo beside the type.
        inner = item.metadata if isinstance(item, FieldInfo) else get_args(item)
        found |= _bounds_in(inner)
        found |= {name: getattr(item, name) for name in SIGNS if hasattr(item, name)}
    return found


def _literals(field: FieldInfo) -> tuple[str, ...]:
    if get_origin(field.annotation) is Literal:
        return tuple(str(name) for name in get_args(field.annotation))
    return ()


def _names_at(model: type[BaseModel], location: Sequence[int | str]) -> tuple[str, ...]:
    """The keys that the table at `location` inside `model` takes."""
    inner = _model_at(model, location)
    return tuple(inner.model_fields) if inner else ()


def _field_at(model: type[BaseModel], location: Sequence[int | str]) -> FieldInfo | None:
    if not location:
        return None
    if isinstance(location[-1], int):
        listed = _field_at(model, location[:-1])
        items = get_args(listed.annotation) if listed else ()
        return FieldInfo.from_annotation(items[0]) if items else None
    inner = _model_at(model, location[:-1])
    return inner.model_fields.get(location[-1]) if inner else None


def _model_at(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel] | None:
    """The model of the table at `location`, or None where there is none."""
    annotation: Any = model
    for part in location:
        annotation = _inside(annotation, part)
    return annotation if _is_model(annotation) else None


def _inside(annotation: Any, part: int | str) -> Any:
    """The type of one entry of a table, a mapping or a list of type `annotation`."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        if field is not None:
            return field.annotation
        # Keys beyond the fields, where a model takes them: their common type.
        annotation = annotation.__annotations__.get("__pydantic_extra__")
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
