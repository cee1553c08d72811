"""Reports that several tests read, each written and read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.pages import Page, read_page
from tests.report.written import written


@pytest.fixture(scope="session")
def full_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory, "full")


@pytest.fixture(scope="session")
def full_page(full_folder: Path) -> Page:
    return read_page(full_folder)


@pytest.fixture(scope="session")
def paper_page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read_page(written(tmp_path_factory, "paper"))


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory, "hostile")
