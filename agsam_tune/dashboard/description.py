"""What the dashboard says of an optimizer: a note, facts and figures.

In: texts. Out: frozen records that travel between processes as JSON. Imports the standard library
only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of Plotly's, as JSON.

    Attributes:
        key: its name in the dashboard, by which figures are sorted.
        json: its `data` and `layout`.
    """

    key: str
    json: str

    def to_json(self) -> str:
        """What optuna-dashboard asks a figure for."""
        return self.json


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """All that is said of one Optuna study of the dashboard.

    Attributes:
        note: Markdown.
        facts: name → value, short, for the table on the study's page.
        figures: in their order.
    """

    note: str
    facts: Mapping[str, str] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()


def to_json(descriptions: Mapping[int, Description]) -> str:
    """By the numbers of the dashboard's studies."""
    return json.dumps({number: asdict(one) for number, one in descriptions.items()})


def from_json(text: str) -> dict[int, Description]:
    """What `to_json` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        return {int(number): _description(one) for number, one in json.loads(text).items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no descriptions: {error}") from error


def _description(one: Mapping[str, Any]) -> Description:
    figures = tuple(Figure(**figure) for figure in one["figures"])
    return Description(note=one["note"], facts=one["facts"], figures=figures)
