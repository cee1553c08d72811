"""Reads a report as a browser would: which tags, which texts, what it would load.

Where only the files of a report are what is tested, its figures are drawn roughly (`sketched`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from agsam_tune.report.figures.panel import Panel
from agsam_tune.report.figures.sheet import Sheet

VOID = {"meta", "link", "br", "hr", "img", "input", "source", "wbr"}
LOADERS = {"src", "href", "xlink:href", "srcset", "data", "poster", "action"}


@dataclass
class Page:
    """What a page holds. `problems` are unbalanced tags, in words."""

    text: str
    tags: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)

    @property
    def prose(self) -> str:
        """The text that people see, spaces collapsed."""
        return " ".join(" ".join(self.words).split())


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.page.problems.append(f"</{tag}> at {self.getpos()} closes nothing")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.page.words.append(data)

    def _tag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.page.ids.append(value or "")
            if name in LOADERS:
                self.page.loads.append(value or "")
            if name.startswith("on"):
                self.page.handlers.append(f"{tag} {name}")


def read_page(folder: Path) -> Page:
    """The report in a run's folder."""
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text=text)
    reader = _Reader(page)
    reader.feed(text)
    reader.close()
    page.problems += [f"<{tag}> is never closed" for tag in reader.open]
    return page


def sketched(panels: Sequence[Panel], **_: Any) -> Sheet:
    """In place of `draw_sheet`: panels are drawn, but neither laid out nor written."""
    for panel in panels:
        panel.draw(Figure(figsize=panel.size).add_subplot())
    return Sheet(inline=(), svg=b"", png=b"")
