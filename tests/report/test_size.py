"""A report of 10,000 trials stays small."""

from __future__ import annotations

from pathlib import Path

import pytest

from agsam_tune.report import write_report
from tests.report.pages import read_page
from tests.report.records import arguments, curves_of, study_of, summary_of, trials_of

MEGABYTES = 1_000_000


@pytest.mark.slow
def test_ten_thousand_trials(tmp_path: Path) -> None:
    study = study_of("moons")
    trials = trials_of(study, replicates=16, points=32)
    assert len(trials) >= 10_000
    given = arguments(study, summary_of(study))
    given |= {"trials": trials, "curves": curves_of(trials, epochs=30)}
    write_report(tmp_path, **given)
    assert (tmp_path / "report.html").stat().st_size < 5 * MEGABYTES
    assert read_page(tmp_path).problems == []
