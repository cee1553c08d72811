"""Markdown of names and numbers that came from files: texts, never markup.

In: plain texts. Out: Markdown as optuna-dashboard shows it (GitHub's, without HTML). Standard
library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# What Markdown reads as its own: anywhere; in a link that needs no brackets; at a line's beginning.
_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~!&$:@]|(?<=www)\.)")
_BEGINNING = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=]))(.)")


def plain(text: str) -> str:
    """The text on one line, each sign that Markdown may read as its own escaped."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _BEGINNING.sub(r"\1\\\2", _SIGNS.sub(r"\\\1", shown))


def link(words: str, path: str) -> str:
    """A link to a page of the dashboard's own; `words` are plain text."""
    return f"[{plain(words)}]({path})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """A list; its items are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def sections(*parts: str) -> str:
    """Paragraphs, tables and headings, those that are empty left out."""
    return "\n\n".join(part for part in parts if part) + "\n"
