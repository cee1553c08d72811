"""The stored run of the first design, in which seeds were crossed with points."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

FIXTURE = Path(__file__).parents[1] / "fixtures" / "first_design"


def first_design(folder: Path) -> Path:
    """A copy of it, in this folder."""
    shutil.copy(FIXTURE / "manifest.json", folder)
    journal = gzip.decompress((FIXTURE / "study.journal.gz").read_bytes())
    (folder / "study.journal").write_bytes(journal)
    return folder
