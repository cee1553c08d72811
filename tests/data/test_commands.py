"""What a user sees of missing, wrong and unreadable data: one line, exit code 2."""

from pathlib import Path

import pytest

from tests.data.files import idx_files, write
from tests.run.commands import invoke, tree

STUDY = """
task = "{task}"
optimizers = ["gsam", "adaptive_gsam"]
candidate = "adaptive_gsam"
baseline = "gsam"
[task_options]
{options}
[training]
epochs = 1
batch_size = 16
lr = 0.1
[[phases]]
name = "iid"
points = 1
"""
X = "train-images-idx3-ubyte"


def _refusal(tmp_path: Path, task: str, *arguments: str | Path, options: str = "") -> str:
    study = tmp_path / "study.toml"
    study.write_text(STUDY.format(task=task, options=options))
    before = tree(tmp_path)
    done = invoke("run", study, "--executor", "inline", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [p for p in tree(tmp_path) if not p.startswith("cache")] == before
    return done.stderr


def test_a_truncated_file(tmp_path: Path) -> None:
    folder = write(tmp_path / "data" / "mnist", idx_files())
    (folder / X).write_bytes(idx_files()[X][:-1])
    message = _refusal(tmp_path, "mnist", "--data", tmp_path / "data")
    assert message.startswith(f"agsam-tune: {folder / X}: is cut short")


def test_more_images_than_there_are(tmp_path: Path) -> None:
    write(tmp_path / "data", idx_files())
    message = _refusal(tmp_path, "fashion_mnist", "--data", "data", options="train_size = 50")
    assert "train_size + val_size = 50 + 5,000 images, but there are 40" in message


@pytest.mark.parametrize("place", ["nowhere", "study.toml"])
def test_a_data_folder_that_is_none(place: str, tmp_path: Path) -> None:
    message = _refusal(tmp_path, "mnist", "--data", place)
    assert message.startswith(f"agsam-tune: {place}: ")
    assert "--data" in message


def test_neither_data_nor_network(tmp_path: Path) -> None:
    message = _refusal(tmp_path, "cifar10")
    assert "CIFAR-10 was not found in " in message
    assert "Put data_batch_1.bin, " in message
    assert "--data or AGSAM_TUNE_DATA" in message
