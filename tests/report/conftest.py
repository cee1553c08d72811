"""Reports that several tests read, each written and read once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.report.pages import Page, read_page
from tests.report.written import written


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a report, by its name in `records.REPORTS`."""
    return cache(lambda name: written(tmp_path_factory, name))


@pytest.fixture(scope="session")
def page_of(folder_of: Callable[[str], Path]) -> Callable[[str], Page]:
    """The same read as a browser would."""
    return cache(lambda name: read_page(folder_of(name)))
