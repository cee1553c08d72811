"""One undisturbed run, for all tests that compare with it."""

from pathlib import Path

import pandas as pd
import pytest

from tests.run.commands import results, run_tiny


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "quick"
    run_tiny(out, "--report")
    return out


@pytest.fixture(scope="session")
def expected(undisturbed: Path) -> pd.DataFrame:
    return results(undisturbed)
