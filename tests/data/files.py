"""Small data sets in the published formats, with random pixels."""

import dataclasses
import gzip
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from agsam_tune.data.published import DATASETS, Archive, Dataset
from agsam_tune.data.reading import md5

TRAIN, TEST = 40, 20


def idx_images(count: int, seed: int, height: int = 28, width: int = 28) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, count * height * width, np.uint8)
    return struct.pack(">4I", 2051, count, height, width) + pixels.tobytes()


def idx_labels(count: int, seed: int = 0) -> bytes:
    """Every class equally often, in an order of its own."""
    labels = np.random.default_rng(seed).permutation(np.arange(count) % 10).astype(np.uint8)
    return struct.pack(">2I", 2049, count) + labels.tobytes()


def idx_files(seed: int = 0, train: int = TRAIN, test: int = TEST) -> dict[str, bytes]:
    """The uncompressed files of an MNIST of one's own."""
    return {
        "train-images-idx3-ubyte": idx_images(train, 4 * seed),
        "train-labels-idx1-ubyte": idx_labels(train, 4 * seed + 1),
        "t10k-images-idx3-ubyte": idx_images(test, 4 * seed + 2),
        "t10k-labels-idx1-ubyte": idx_labels(test, 4 * seed + 3),
    }


def records(count: int, seed: int, *, coarse: bool = False, classes: int = 10) -> bytes:
    """A CIFAR file: label(s) and 3,072 pixels each."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 256, (count, 3073 + coarse), np.uint8)
    if coarse:
        rows[:, 0] = random.integers(0, 20, count)
    rows[:, int(coarse)] = random.permutation(np.arange(count) % classes)
    return rows.tobytes()


def cifar10_files(batches: int = 5, size: int = TEST) -> dict[str, bytes]:
    files = {f"data_batch_{i}.bin": records(size, i) for i in range(1, batches + 1)}
    return {**files, "test_batch.bin": records(size, 0)}


def cifar100_files() -> dict[str, bytes]:
    return {
        "train.bin": records(200, 1, coarse=True, classes=100),
        "test.bin": records(100, 2, coarse=True, classes=100),
    }


def write(folder: Path, files: Mapping[str, bytes], *, packed: bool = False) -> Path:
    """Write the files, gzipped with .gz added or as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, compresslevel=1))
        else:
            (folder / name).write_bytes(content)
    return folder


def published(
    name: str,
    files: Mapping[str, bytes],
    examples: Mapping[str, int],
    *mirrors: str,
    archive: bytes | None = None,
) -> Dataset:
    """The data set as if these files were the published ones.

    Args:
        name: of a real data set.
        files: content by name.
        examples: number of examples of `train` and `test`, a file.
        mirrors: where they are offered.
        archive: the archive that holds them, if they come in one.
    """
    real = DATASETS[name]
    return dataclasses.replace(
        real,
        files=tuple(
            dataclasses.replace(f, md5=md5(files[f.name]), examples=examples[f.part])
            for f in real.files
        ),
        mirrors=mirrors,
        archive=real.archive
        and Archive(name=real.archive.name, md5=md5(archive or b""), folder=real.archive.folder),
    )
