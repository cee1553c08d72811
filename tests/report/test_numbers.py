"""Every number and every sentence of a record stands on its page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from agsam_tune.report import text
from agsam_tune.report.text import PLAIN, SHARE, WHOLE, Unit
from tests.report.pages import Page
from tests.report.records import REPORTS

Path = tuple[str, ...]

#: Words of the record's own, which the page says in others.
WORDS = {"lens", "metric", "kind", "method", "verdict", "data"}
PERCENT = text.score_unit("accuracy")
POINTS = text.unit_of("regret", "accuracy")


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """(keys on the way, the record that holds it, the value) of everything that is no container."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            for found in leaves(getattr(value, name), (*path, name)):
                yield (found[0], value if found[1] is None else found[1], found[2])
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, str(name)))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, None, value


def units(path: Path, holder: Any) -> tuple[Unit, ...]:
    """What a number at this place may be written in."""
    places = set(path)
    if "curves" in places:
        return (PLAIN,) if path[-1] in ("x", "window") else (PERCENT,)
    if places & {"importance", "surface"} or path[-1] == "clipped_share":
        return (SHARE, Unit(name="", digits=3))
    if "effective_number" in places:
        return (WHOLE,)
    if path[-1] == "margin" and "comparisons" in places:
        return ()  # Shaded in the figure.
    if path[-1] in ("margin", "half_width", "epsilons"):
        return (POINTS,)
    if path[-1] == "confidence":
        return (Unit(name="%", scale=100.0),)
    if path[-1] in ("trivial", "best") or "tuning" in places:
        return (PERCENT,)
    if hasattr(holder, "metric") and "design" not in places:
        return (text.unit_of(holder.metric, "accuracy"),)
    return (PLAIN,)


def printed(value: float, path: Path, holder: Any) -> set[str]:
    """The forms that it may have."""
    if isinstance(value, int):
        return {text.count(value)}
    return {text.number(value, u, sign=sign) for u in units(path, holder) for sign in (False, True)}


def numbers_of(prose: str) -> set[str]:
    """Everything on a page that is a number."""
    return {one.rstrip(".,") for one in re.findall(r"[+−]?\d[\d.,]*(?:e[+−]?\d+)?", prose)}


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "hostile"])
def test_every_number_and_sentence_of_the_record_is_on_the_page(
    name: str, page_of: Callable[[str], Page]
) -> None:
    prose = page_of(name).prose
    shown, said = numbers_of(prose), prose.lower()
    missing, seen = [], 0
    for path, holder, value in leaves(REPORTS[name]()["summary"]):
        if path[0] == "format" or value is None or isinstance(value, bool):
            continue
        if isinstance(value, str):
            if path[-1] not in WORDS and value.lower() not in said:
                missing.append((path, value))
            continue
        seen += 1
        forms = printed(value, path, holder)
        if forms and not forms & shown:
            missing.append((path, value))
    assert missing == []
    assert seen > (500 if name == "full" else 10)


def test_what_is_not_on_a_page_is_found_missing(page_of: Callable[[str], Page]) -> None:
    shown = numbers_of(page_of("full").prose)
    assert {"0.50", "17", "0.123", "+0.50"} & shown == {"17", "0.123", "0.50"} & shown
    assert "91.2345" not in shown
    assert printed(0.91234, ("optimizers", "gsam", "curves", "mean"), None) == {"91.23", "+91.23"}
