"""A real browser for the report: found on the machine, never downloaded by the tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
HANG_MS = 3_600_000.0
"""What `expect` waits for at most, which is as good as no limit: pytest's own is shorter."""

Size = tuple[int, int]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window. Skips where there is none, but fails in CI, which installs it."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        message = f"no browser is installed ({', '.join(NAMES)})"
        if os.environ.get("CI"):
            pytest.fail(f"{message}: .ci/run installs chromium")
        pytest.skip(message)
    expect.set_options(timeout=HANG_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, folder: Path, size: Size, **context: Any
) -> Iterator[tuple[Page, list[str]]]:
    """The report in a window of that size, and what went wrong: console errors and requests."""
    own = browser.new_context(viewport={"width": size[0], "height": size[1]}, **context)
    own.set_default_timeout(0)
    page, problems = own.new_page(), []
    page.on("console", lambda one: problems.append(f"{one.type}: {one.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("request", lambda one: _note_request(one.url, problems))
    page.goto((folder / "report.html").as_uri())
    try:
        yield page, problems
    finally:
        own.close()


def close_panel(page: Page) -> None:
    """Close the panel of trials, if it is open."""
    page.evaluate(
        """() => new Promise((done) => {
          const panel = document.querySelector("dialog");
          if (!panel?.open) return done();
          panel.addEventListener("close", () => done(), { once: true });
          panel.close();
        })"""
    )


def ask(page: Page, *selections: str) -> list[tuple[int, str]]:
    """Open the panel of trials for each selection, as a link with it does.

    Returns how many trials it has, and its line of pandas.
    """
    close_panel(page)
    found: list[tuple[int, str]] = page.evaluate(
        """async (selections) => {
          const found = [];
          for (const wanted of selections) {
            await new Promise((done) => {
              addEventListener("hashchange", done, { once: true });
              location.hash = "#trials?" + wanted;
            });
            const line = document.getElementById("trials-code").textContent;
            found.push([Number(document.body.dataset.trials), line]);
          }
          return found;
        }""",
        list(selections),
    )
    return found


def until(page: Page, condition: Callable[[], object]) -> None:
    """Wait for messages from the page until the condition holds."""
    while not condition():
        page.wait_for_timeout(20)


def _note_request(url: str, problems: list[str]) -> None:
    if not url.startswith(("file:", "data:")):
        problems.append(f"request: {url}")


TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  const found = [];
  const scrolls = (one) => {
    for (let up = one.parentElement; up; up = up.parentElement)
      if (getComputedStyle(up).overflowX !== "visible") return true;
    return false;
  };
  for (const one of document.querySelectorAll("body *")) {
    const box = one.getBoundingClientRect();
    // What scrolls may be wider; but captions and heads of groups stay where they can be read.
    const held = one.matches("caption:not(.unseen), .held");
    if (!box.width || one.closest("svg, .unseen, dialog") || (scrolls(one) && !held)) continue;
    if (box.right > width + 1 || box.left < -1)
      found.push(`${one.tagName}.${one.className}: ${box.left} to ${box.right} of ${width}`);
  }
  if (document.documentElement.scrollWidth > width + 1)
    found.push(`the page is ${document.documentElement.scrollWidth} wide`);
  return found;
}"""
"""What is wider than the window and does not scroll by itself."""

TEXTS_IN_FIGURES = """() => {
  const found = [];
  const slack = 1.5;
  for (const svg of document.querySelectorAll("figure svg:not(.swatch)")) {
    const own = svg.getBoundingClientRect();
    const name = svg.closest("figure").id;
    const texts = [...svg.querySelectorAll("text")]
      .filter((one) => one.textContent.trim())
      .map((one) => ({ words: one.textContent.trim(), box: one.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 0);
    for (const { words, box } of texts) {
      const outside = Math.max(own.left - box.left, box.right - own.right,
                               own.top - box.top, box.bottom - own.bottom);
      if (outside > slack) found.push(`${name}: "${words}" is cut by ${outside.toFixed(1)} px`);
    }
    texts.forEach((a, place) => {
      for (const b of texts.slice(place + 1)) {
        const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
        const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
        // A box of letters has room above and below them.
        const room = 0.25 * Math.min(a.box.height, b.box.height);
        if (across > slack && down > room)
          found.push(`${name}: "${a.words}" lies on "${b.words}"`);
      }
    });
  }
  return found;
}"""
"""Texts of a figure that lie on one another or stick out of it."""

CUT_TEXTS = """() => {
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const style = getComputedStyle(one);
    if (one.closest("svg, .unseen, dialog:not([open])") || !one.clientWidth) continue;
    const hides = style.overflowX === "hidden" || style.overflowX === "clip";
    if (hides && one.scrollWidth > one.clientWidth + 1)
      found.push(`${one.tagName}.${one.className} hides text`);
  }
  return found;
}"""
"""Elements that hide a part of what they hold."""

CONTRAST = """() => {
  // Whatever way a colour is written, a canvas says what it is.
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const channels = (text) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (text) => {
    const [r, g, b] = channels(text).map((one) => {
      const share = one / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  const found = new Set();
  for (const one of document.querySelectorAll("p, li, dt, dd, th, td, a, small, summary, span")) {
    if (one.closest("svg, dialog:not([open])") || !one.textContent.trim()) continue;
    const ink = luminance(getComputedStyle(one).color);
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < 4.5) found.add(`${one.tagName}.${one.className}: ${ratio.toFixed(2)}`);
  }
  return [...found];
}"""
"""Texts whose contrast with the paper is below 4.5, the least that WCAG 2.1 allows (AA)."""
