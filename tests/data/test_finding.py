"""Where files are looked for, in which order, and what is said of them."""

import json
import pickle
import shutil
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from agsam_tune.data import DataError, load, load_images
from agsam_tune.data.published import DATASETS
from agsam_tune.executors.data import load_tasks
from agsam_tune.executors.work import ImportPath, Job, train
from agsam_tune.study import available_studies, load_study
from agsam_tune.trials import Pack, State, Trial
from tests.data.files import (
    TEST,
    TRAIN,
    cifar10_files,
    cifar100_files,
    idx_files,
    published,
    write,
)

FILES = idx_files()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "place"),
    [(name, place) for name in ("mnist", "fashion_mnist") for place in DATASETS[name].folders],
)
def test_idx_files_in_every_usual_folder(name: str, place: str, packed: bool, data: Path) -> None:
    write(data / place, FILES, packed=packed)
    images = load_images(name)
    pixels = np.frombuffer(FILES["train-images-idx3-ubyte"][16:], np.uint8)
    np.testing.assert_array_equal(images.train_x_NCHW, pixels.reshape(TRAIN, 1, 28, 28))
    labels = np.frombuffer(FILES["t10k-labels-idx1-ubyte"][8:], np.uint8)
    np.testing.assert_array_equal(images.test_y_N, labels)


def test_the_spelling_with_a_dot(data: Path) -> None:
    write(data, {name.replace("-idx", ".idx"): content for name, content in FILES.items()})
    assert load_images("mnist").source["train_images"] == TRAIN


@pytest.mark.parametrize("place", DATASETS["cifar10"].folders)
def test_the_batches_that_are_there(place: str, data: Path) -> None:
    files = cifar10_files(batches=2)
    write(data / place, {**files, "batches.meta.txt": b"airplane\n"})
    images = load_images("cifar10")
    assert images.source["train_images"] == 2 * TEST
    assert images.source["files"]["test_batch.bin"]["examples"] == TEST
    assert not images.source["published"]
    rows = np.frombuffer(files["data_batch_1.bin"] + files["data_batch_2.bin"], np.uint8)
    rows = rows.reshape(-1, 3073)
    np.testing.assert_array_equal(images.train_y_N, rows[:, 0])
    # Channel first: the first 1,024 bytes of an image are its red pixels, row by row.
    assert images.train_x_NCHW[7, 0, 1, 2] == rows[7, 1 + 32 + 2]
    assert images.train_x_NCHW[7, 2, 0, 0] == rows[7, 1 + 2048]


@pytest.mark.parametrize("place", DATASETS["cifar100"].folders)
def test_cifar100_has_its_fine_labels(place: str, data: Path) -> None:
    files = cifar100_files()
    write(data / place, files)
    images = load_images("cifar100")
    rows = np.frombuffer(files["train.bin"], np.uint8).reshape(-1, 3074)
    np.testing.assert_array_equal(images.train_y_N, rows[:, 1])
    assert images.train_y_N.max() == 99
    np.testing.assert_array_equal(images.train_x_NCHW.reshape(len(rows), -1), rows[:, 2:])


def test_a_folder_of_the_data_set_s_own_comes_before_loose_files(data: Path) -> None:
    write(data, idx_files(1))
    write(data / "mnist", FILES)
    labels = np.frombuffer(FILES["train-labels-idx1-ubyte"][8:], np.uint8)
    np.testing.assert_array_equal(load_images("mnist").train_y_N, labels)


def test_an_unpacked_file_comes_before_a_folder_of_its_name(data: Path) -> None:
    write(data / "mnist", FILES, packed=True)
    (data / "mnist" / "train-images-idx3-ubyte").mkdir()
    assert load_images("mnist").source["train_images"] == TRAIN


def test_the_data_folder_comes_before_the_cache(
    data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mnist = published("mnist", FILES, {"train": TRAIN, "test": TEST})
    monkeypatch.setattr(load, "DATASETS", MappingProxyType({**DATASETS, "mnist": mnist}))
    write(cache / "mnist", FILES)
    assert load_images("mnist").source["found_in"] == "cache"
    write(data / "mnist", idx_files(1))
    source = load_images("mnist").source
    assert source["found_in"] == "data folder"
    assert not source["published"]
    monkeypatch.delenv("AGSAM_TUNE_DATA")
    assert load_images("mnist").source["published"]


def test_a_home_may_be_written_as_a_tilde(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(data / "mnist", FILES)
    monkeypatch.setenv("HOME", str(data.parent))
    monkeypatch.setenv("AGSAM_TUNE_DATA", f"~/{data.name}")
    assert load_images("mnist").source["found_in"] == "data folder"


def test_a_worker_needs_no_files(data: Path) -> None:
    """On a cluster it is on another machine than the driver."""
    write(data / "mnist", FILES)
    options = 'task_options={train_size = 30, val_size = 10, model = "mlp", width = 2}'
    study = load_study(available_studies()["mnist_small"], overrides=[options])
    tasks = load_tasks(study)
    path = ImportPath(())
    job = Job(import_path=path, study=study, tasks=tasks, rules=(), device="cpu", way="stacked")
    sent = pickle.dumps(job)
    shutil.rmtree(data)
    trial = Trial(
        optimizer="sgd", phase="map", replicate=0, index=0, point=0, seed=0, hyperparameters=()
    )
    (outcome,) = train(pickle.loads(sent), Pack(trials=(trial,))).outcomes  # noqa: S301
    assert outcome.state is State.COMPLETE


def test_a_part_of_a_data_set_in_the_cache_is_not_the_data_set(cache: Path) -> None:
    files = cifar10_files()
    del files["data_batch_5.bin"]
    write(cache / "cifar-10-batches-bin", files)
    with pytest.raises(DataError, match="was not found"):
        load_images("cifar10")


def test_what_was_found_can_be_written_to_a_manifest(data: Path) -> None:
    write(data, FILES, packed=True)
    source = load_images("mnist").source
    assert json.loads(json.dumps(source)) == source
    assert source["files"]["train-images-idx3-ubyte.gz"] == {
        "md5": source["files"]["train-images-idx3-ubyte.gz"]["md5"],
        "published": False,
        "examples": TRAIN,
    }
    assert (source["train_images"], source["test_images"]) == (TRAIN, TEST)


def test_the_digest_is_of_the_content_not_of_its_wrapper(data: Path) -> None:
    write(data, FILES, packed=True)
    packed = {f["md5"] for f in load_images("mnist").source["files"].values()}
    write(data / "mnist", FILES)
    assert packed == {f["md5"] for f in load_images("mnist").source["files"].values()}
