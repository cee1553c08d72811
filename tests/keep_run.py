"""Keep a small run as a fixture that every later version must open.

    python -m tests.keep_run second_design

runs the quick study, made small, and writes `tests/fixtures/NAME`: the manifest, without what is
the machine's own, and the journal, packed. Once for each format of a run's folder.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.run.commands import QUICK, invoke

KEPT = Path(__file__).parent / "fixtures"
SMALL = ("training.epochs=2", "replicates=3", "phases.tune.points=2", "phases.iid.points=2")


def lay_out(name: str, folder: Path) -> Path:
    """The fixture as the run lay in its folder, but for its report; returns the new folder."""
    folder.mkdir()
    shutil.copy(KEPT / name / "manifest.json", folder)
    packed = (KEPT / name / "study.journal.gz").read_bytes()
    (folder / "study.journal").write_bytes(gzip.decompress(packed))
    return folder


def keep(name: str) -> Path:
    """Run it and write the fixture; returns its folder."""
    folder = KEPT / name
    with tempfile.TemporaryDirectory() as place:
        changes = [word for text in SMALL for word in ("--set", text)]
        run = ("run", QUICK, *changes, "--executor", "inline", "--no-report", "--out", "kept")
        done = invoke(*run, cwd=Path(place))
        if done.returncode:
            raise SystemExit(done.stderr)
        out = Path(place) / "kept"
        manifest = json.loads((out / "manifest.json").read_text("utf-8"))
        journal = gzip.compress((out / "study.journal").read_bytes(), 9, mtime=0)
    manifest |= {"device": "cpu", "platform": "Linux", "command": ["agsam-tune", *run]}
    manifest["command"][2] = "quick"
    manifest["engine"]["seconds"] = {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    (folder / "study.journal.gz").write_bytes(journal)
    return folder


if __name__ == "__main__":
    print(keep(sys.argv[1]))  # noqa: T201
