"""A report of 10,000 trials stays small."""

from __future__ import annotations

from pathlib import Path

import pytest

from agsam_tune.report import write_report
from tests.report.pages import read_page
from tests.report.runs import arguments, large_study, trials_of
from tests.synthetic import synthetic_curves

MEGABYTES = 1_000_000


@pytest.mark.slow
def test_ten_thousand_trials(tmp_path: Path) -> None:
    study = large_study()
    trials = trials_of(study)
    assert len(trials) >= 10_000
    curves = synthetic_curves(trials, epochs=30)
    write_report(tmp_path, **arguments(study, trials, curves=curves))
    assert (tmp_path / "report.html").stat().st_size < 8 * MEGABYTES
    assert read_page(tmp_path).problems == []
