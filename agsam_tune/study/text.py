"""Tables of a study file and of a search space as text, with a comment on each key.

In: the models that the files are validated with, and values. Out: lines of TOML, whose comments are
the models' own descriptions. Must not import torch, Ray, Optuna or pandas.
"""

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Literal, get_args, get_origin

from pydantic import BaseModel

__all__ = ["comment_lines", "heading_lines", "key_lines", "table_lines", "toml_value"]

_WIDTH, _COLUMN = 100, 32


def table_lines(
    model: type[BaseModel],
    values: Mapping[str, object],
    *,
    comments: Mapping[str, str] | None = None,
) -> list[str]:
    """A table's keys, each with a comment.

    Args:
        model: what the table is validated with.
        values: of the keys that are said. Those with a default are there too, after a `#`, with
            their default or, where that is none, with the example of their field.
        comments: to use in place of a field's description.
    """
    lines = []
    for key, field in model.model_fields.items():
        comment = (comments or {}).get(key) or f"{field.description}{_words(field.annotation)}"
        if key in values:
            lines += key_lines(key, values[key], comment)
            continue
        value = field.get_default(call_default_factory=True)
        if value is None and field.examples:
            value = field.examples[0]
        if not field.is_required() and value is not None:
            lines += key_lines(key, value, comment, said=False)
    return lines


def key_lines(key: str, value: object, comment: str, *, said: bool = True) -> list[str]:
    """`key = value  # comment`, with the comment's rest below; after a `#` where it is unsaid."""
    left = f"{'' if said else '# '}{key} = {toml_value(value)}"
    first, *rest = textwrap.wrap(comment, _WIDTH - _COLUMN - 2) or [""]
    below = [f"{'':{_COLUMN}}# {line}" for line in rest]
    if not first:
        return [left]
    if len(left) < _COLUMN:
        return [f"{left:{_COLUMN}}# {first}", *below]
    return [left, f"{'':{_COLUMN}}# {first}", *below]


def heading_lines(heading: str, about: str) -> list[str]:
    """`[table]  # about`, with the comment's rest below it."""
    first, *rest = textwrap.wrap(about, _WIDTH - _COLUMN - 2)
    return [f"{heading:{_COLUMN}}# {first}", *(f"{'':{_COLUMN}}# {line}" for line in rest)]


def _words(annotation: object) -> str:
    """The words that a key may be, as the end of its comment."""
    words = get_args(annotation) if get_origin(annotation) is Literal else ()
    return f" ({', '.join(words)})" if len(words) > 1 else ""


def comment_lines(text: str) -> list[str]:
    """Paragraphs of a comment; those that are indented are left as they are."""
    lines = []
    for paragraph in text.split("\n"):
        indented = paragraph.startswith(" ")
        wrapped = [paragraph] if indented else textwrap.wrap(paragraph, _WIDTH - 2) or [""]
        lines += [f"# {line}".rstrip() for line in wrapped]
    return lines


def toml_value(value: object) -> str:
    """A value as TOML writes it: words, numbers, truth values and lists of them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Sequence):
        return f"[{', '.join(map(toml_value, value))}]"
    return repr(value)
