"""The command line as a user calls it, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
QUICK = str(ROOT / "studies" / "quick.toml")
PROGRAM = [str(Path(sys.executable).parent / "agsam-tune")]

# All phases, in a few seconds: 150 trainings of 26 steps. The report takes as long again: where a
# test wants it, it says --report.
TINY = [
    *("--set", "training.epochs=2"),
    *("--set", "phases.map.points=8", "--set", "phases.map.replicates=2"),
    *("--set", "phases.tune.points=20", "--set", "phases.tune.seeds=2"),
    *("--set", "phases.iid.points=4"),
    "--no-report",
]


def command(*arguments: str | Path) -> list[str]:
    return [*PROGRAM, *map(str, arguments)]


def agsam_tune(
    *arguments: str | Path,
    cwd: Path | None = None,
    timeout: float = 300,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_tiny(out: Path, *arguments: str, executor: str = "inline") -> pd.DataFrame:
    """Run the tiny study to its end; returns what two runs must agree on."""
    done = agsam_tune("run", QUICK, *TINY, "--out", out, "--executor", executor, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return results(out)


def results(out: Path) -> pd.DataFrame:
    """The trials without what differs from run to run."""
    table = pd.read_parquet(out / "trials.parquet")
    return table.drop(columns=["seconds", "trial_number"])


def tree(folder: Path) -> Sequence[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def stored_keys(out: Path) -> list[tuple[object, ...]]:
    """The keys in the journal, read without the program."""
    journal = out / "study.journal"
    lines = journal.read_text().splitlines() if journal.exists() else []
    keys = []
    for line in lines:
        try:
            attributes = json.loads(line).get("user_attrs", {})
        except json.JSONDecodeError:
            continue
        if "phase" in attributes:
            study = json.loads(line)["study_id"]
            keys.append((study, attributes["phase"], attributes["point"], attributes["seed"]))
    return keys
