"""The dashboard's pages in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page

DRAWN = """() => {
  const plots = [...document.querySelectorAll('[id^="user-defined-plot:"]')];
  return plots.length > 0 && plots.every((one) => one.querySelector(".trace, .hm"));
}"""
"""Whether the page has figures of ours, and each has something drawn in it."""

KEYS = """() => [...document.querySelectorAll('[id^="user-defined-plot:"]')]
  .map((one) => one.id.replace("user-defined-plot:", ""))"""
"""Our figures, in the page's order."""


@dataclass
class Window:
    """A page, and what went wrong on it: messages in the console, errors, answers that are none."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go there."""
        self.page.goto(f"{self.url}{path.removeprefix('/')}")

    def draw(self, path: str) -> None:
        """Go there and wait until all our figures are drawn."""
        self.open(path)
        self.page.wait_for_function(DRAWN)


@contextmanager
def window(browser: Browser, url: str) -> Iterator[Window]:
    """A new one, as empty as a new user's, that waits without a limit."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(0)
    own = Window(page=context.new_page(), url=url)
    own.page.on("console", lambda one: own.problems.append(f"{one.type}: {one.text}"))
    own.page.on("pageerror", lambda error: own.problems.append(f"error: {error}"))
    own.page.on(
        "response",
        lambda one: own.problems.append(f"{one.status} {one.url}") if one.status >= 400 else None,
    )
    own.page.on(
        "request",
        lambda one: own.problems.append(f"request: {one.url}") if _leaves(one.url, url) else None,
    )
    try:
        yield own
    finally:
        context.close()


def _leaves(request: str, url: str) -> bool:
    return not request.startswith((url, "data:", "blob:"))
