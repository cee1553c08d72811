"""Reports that several tests read, each written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agsam_tune.report import write_report
from tests.report.pages import Page, read_page
from tests.report.runs import arguments, study_of, trials_of


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of quick.toml with its report."""
    folder = tmp_path_factory.mktemp("quick")
    study = study_of("quick")
    write_report(folder, **arguments(study, trials_of(study)))
    return folder


@pytest.fixture(scope="session")
def quick_page(quick_folder: Path) -> Page:
    """That report, read."""
    return read_page(quick_folder)


@pytest.fixture(scope="session")
def paper_page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of paper_moons.toml: fixed points alone."""
    folder = tmp_path_factory.mktemp("paper")
    study = study_of("paper_moons")
    write_report(folder, **arguments(study, trials_of(study)))
    return read_page(folder)
