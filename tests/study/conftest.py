"""A small valid study in a folder of its own, which the tests then spoil."""

from collections.abc import Callable
from pathlib import Path

import pytest

VALID = """
format = 2
task = "moons"
optimizers = ["sgd", "gsam", "adaptive_gsam", "gsam_matched"]
candidate = "adaptive_gsam"
baseline = "gsam"
control = "gsam_matched"
seed = 0
replicates = 4
[task_options]
train_size = 400
[training]
epochs = 2
batch_size = 32
lr = 0.05
momentum = 0.9
[search_spaces.gsam.rho]
high = 4.0
[[phases]]
name = "map"
points = 16
[[phases]]
name = "key"
points = 6
[[phases]]
name = "off"
points = 6
[[phases]]
name = "radius"
points = 4
[[phases]]
name = "tune"
points = 8
[[phases]]
name = "misset"
points = 4
[[phases]]
name = "default"
[[phases]]
name = "iid"
points = 16
[[phases]]
name = "fixed"
seeds = 2
[[phases.points]]
optimizer = "sgd"
[[phases.points]]
optimizer = "gsam"
rho = 0.5
alpha = 0.04
[analysis]
margin = 0.005
[packs]
rows = 16
[resources]
cpus = 1
[reference]
source = "a paper"
[[reference.results]]
optimizer = "gsam"
test_accuracy = 0.857
test_loss = 0.33
"""


@pytest.fixture
def valid() -> str:
    return VALID


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes `studies/mine.toml` and gives its path."""

    def _write(text: str) -> Path:
        path = tmp_path / "studies" / "mine.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return _write


@pytest.fixture
def study_file(write: Callable[[str], Path]) -> Path:
    return write(VALID)
