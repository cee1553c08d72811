"""Reports that several tests read, each written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agsam_tune.report import write_report
from tests.report.full import full_arguments
from tests.report.hostile import hostile_arguments
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
def paper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of paper_moons.toml, fixed points alone, with its report."""
    folder = tmp_path_factory.mktemp("paper")
    study = study_of("paper_moons")
    write_report(folder, **arguments(study, trials_of(study)))
    return folder


@pytest.fixture(scope="session")
def paper_page(paper_folder: Path) -> Page:
    """That report, read."""
    return read_page(paper_folder)


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with hostile names and notes, and its report."""
    folder = tmp_path_factory.mktemp("hostile")
    write_report(folder, **hostile_arguments())
    return folder


@pytest.fixture(scope="session")
def full_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of quick.toml with everything that a report can show, and its trials.parquet."""
    folder = tmp_path_factory.mktemp("full")
    given = full_arguments()
    given["trials"].to_parquet(folder / "trials.parquet", index=False)
    write_report(folder, **given)
    return folder


@pytest.fixture(scope="session")
def full_page(full_folder: Path) -> Page:
    """That report, read."""
    return read_page(full_folder)
