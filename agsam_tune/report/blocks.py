"""What a page is made of: sections of tables, figures and sentences, as the template shows them.

In: nothing. Out: plain records of texts; the template escapes every one of them. Must not import
torch, Ray, Optuna or matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

__all__ = [
    "Badge",
    "Block",
    "Cell",
    "Figure",
    "Fold",
    "Legend",
    "Number",
    "Page",
    "Prose",
    "Section",
    "Table",
    "section",
    "table",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A cell with a number: `below` stands under it, `trials` selects those behind it."""

    value: str
    below: str = ""
    trials: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A cell with a verdict: `key` is its class, `words` what it says."""

    key: str
    words: str


Cell = str | Number | Badge


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a head and a caption; `numbers` are the columns that hold numbers."""

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[int] = frozenset()
    code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """One optimizer in a legend."""

    name: str
    swatch: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Panels with a caption, drawn; `columns` of them are a row."""

    kind: ClassVar[str] = "figure"
    key: str
    caption: str
    columns: int
    legend: tuple[Legend, ...]
    svgs: tuple[Markup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Sentences, a paragraph each."""

    kind: ClassVar[str] = "prose"
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What is shown when it is asked for."""

    kind: ClassVar[str] = "fold"
    summary: str
    blocks: tuple[Table | Prose, ...]


Block = Table | Figure | Prose | Fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page; `key` is its id."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page: its head, what was found, and its sections.

    Attributes:
        title: the study's name.
        subtitle: what kind of page it is.
        badge: the verdict, if there is one.
        headline: one sentence.
        because: a sentence for each reason.
        notices: what a reader must know besides.
        sections: none of them is empty.
        footer: where the numbers are.
    """

    title: str
    subtitle: str
    badge: Badge | None
    headline: str
    because: tuple[str, ...]
    notices: tuple[str, ...]
    sections: tuple[Section, ...]
    footer: str


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[Cell]], *, code: bool = False
) -> Table | None:
    """The table without columns that are empty; None where there are no rows."""
    cells = [tuple(row) for row in rows]
    if not cells:
        return None
    kept = [place for place in range(len(head)) if any(row[place] != "" for row in cells)]
    shown = tuple(tuple(row[place] for place in kept) for row in cells)
    return Table(
        caption=caption,
        head=tuple(head[place] for place in kept),
        rows=shown,
        numbers=frozenset(
            place for row in shown for place, cell in enumerate(row) if isinstance(cell, Number)
        ),
        code=code,
    )


def section(key: str, title: str, blocks: Iterable[Block | None]) -> Section | None:
    """The section of what there is; None where there is nothing."""
    found = tuple(block for block in blocks if block is not None)
    return Section(key=key, title=title, blocks=found) if found else None
