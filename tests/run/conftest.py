"""Undisturbed runs, for all tests that compare with them."""

from pathlib import Path

import pandas as pd
import pytest

from tests.run.commands import FEW, invoke, results, run_tiny


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "quick"
    run_tiny(out, "--report")
    return out


@pytest.fixture(scope="session")
def expected(undisturbed: Path) -> pd.DataFrame:
    return results(undisturbed)


@pytest.fixture(scope="session")
def expected_few(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("few") / "quick"
    assert invoke("run", *FEW, "--executor", "inline", "--out", out).returncode == 0
    return results(out)
