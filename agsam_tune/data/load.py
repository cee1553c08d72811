"""A data set by its name: found or downloaded, verified and read.

In: a name of `published.DATASETS`. Out: `LabelledImages`. Must not import torch, Ray,
Optuna or pandas.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agsam_tune.data.finding import (
    VARIABLE,
    Found,
    cache_folder,
    data_folder,
    find_cached,
    find_given,
    usual_name,
)
from agsam_tune.data.published import DATASETS, Dataset, Part, PublishedFile
from agsam_tune.data.reading import (
    Bytes,
    DataError,
    LabelledImages,
    cifar_records,
    idx_images,
    idx_labels,
    md5,
    read_content,
)


def load_images(name: str) -> LabelledImages:
    """The images of a data set, with their labels.

    They come from the user's data folder (`--data`, AGSAM_TUNE_DATA) if it has them, else
    from the cache folder, else from a download into it.

    Args:
        name: of a data set: mnist, fashion_mnist, cifar10, cifar100.

    Raises:
        DataError: there are none, or a file is damaged, swapped or otherwise wrong; one
            line that names the file.
    """
    dataset = DATASETS[name]
    given, cache = data_folder(), cache_folder()
    found = (given and find_given(dataset, given)) or find_cached(dataset, cache)
    if found is None:
        found = _downloaded(dataset, given, cache)
    return _read(dataset, found)


def _downloaded(dataset: Dataset, given: Path | None, cache: Path) -> Found:
    from agsam_tune.data.download import DownloadError, download

    try:
        download(dataset, cache)
    except DownloadError as error:
        places = [f"{given} ({VARIABLE})"] if given else []
        places.append(f"{cache} (the cache)")
        names = ", ".join(usual_name(file) for file in dataset.files)
        msg = (
            f"{dataset.title} was not found in {' or '.join(places)}, and its download failed: "
            f"{error}. Put {names} in FOLDER/{dataset.folders[0]} and name FOLDER with --data "
            f"or {VARIABLE}"
        )
        raise DataError(msg) from error
    found = find_cached(dataset, cache)
    if found is None:
        raise DataError(f"{cache}: somebody removed the files of {dataset.title} meanwhile")
    return found


def _read(dataset: Dataset, found: Found) -> LabelledImages:
    """The content of all files, checked against each other."""
    facts: dict[str, dict[str, Any]] = {}
    read: dict[str, tuple[Bytes | None, Bytes | None]] = {}
    for file in dataset.files:
        if file.name not in found.paths:
            continue
        path = found.paths[file.name]
        content = read_content(path)
        digest = md5(content)
        _check_identity(dataset, file, path, digest, cached=found.cached)
        read[file.name] = _parsed(dataset, file, content, path)
        if file.kind != "labels":  # labels in the same order are no copy
            _check_unique(path, digest, facts)
        facts[path.name] = {
            "md5": digest,
            "published": digest == file.md5,
            "examples": next(len(array) for array in read[file.name] if array is not None),
        }
    (train_x, train_y), (test_x, test_y) = (
        _part(dataset, part, found.paths, read) for part in ("train", "test")
    )
    _check_not_swapped(dataset, found, len(train_y), len(test_y))
    source = {
        "data_set": dataset.name,
        "found_in": "cache" if found.cached else "data folder",
        "train_images": len(train_y),
        "test_images": len(test_y),
        "published": len(facts) == len(dataset.files)
        and all(f["published"] for f in facts.values()),
        "files": facts,
    }
    return LabelledImages(
        train_x_NCHW=train_x, train_y_N=train_y, test_x_NCHW=test_x, test_y_N=test_y, source=source
    )


def _parsed(
    dataset: Dataset, file: PublishedFile, content: bytes, path: Path
) -> tuple[Bytes | None, Bytes | None]:
    """A file's images and labels, None for what it has not."""
    if file.kind == "images":
        return idx_images(content, path, dataset.shape), None
    if file.kind == "labels":
        return None, idx_labels(content, path, dataset.classes)
    return cifar_records(
        content,
        path,
        dataset.shape,
        label_bytes=dataset.label_bytes,
        classes=dataset.classes,
    )


def _part(
    dataset: Dataset,
    part: Part,
    paths: Mapping[str, Path],
    read: Mapping[str, tuple[Bytes | None, Bytes | None]],
) -> tuple[Bytes, Bytes]:
    """The images and labels of one part, files joined."""
    names = [f.name for f in dataset.files if f.part == part and f.name in read]
    images = [read[name][0] for name in names]
    labels = [read[name][1] for name in names]
    x_NCHW = np.concatenate([x for x in images if x is not None])
    y_N = np.concatenate([y for y in labels if y is not None])
    if len(x_NCHW) != len(y_N):
        files = " and ".join(str(paths[name]) for name in names)
        msg = f"{files}: {len(x_NCHW):,} images, but {len(y_N):,} labels"
        raise DataError(msg)
    return x_NCHW, y_N


def _check_identity(
    dataset: Dataset, file: PublishedFile, path: Path, digest: str, *, cached: bool
) -> None:
    """Raise DataError where the content is published as something else, or spoilt in the cache."""
    for other in DATASETS.values():
        for published in other.files:
            if digest == published.md5 != file.md5:
                msg = (
                    f"{path}: holds what is published as {published.name} of {other.title}; "
                    f"expected: {file.name} of {dataset.title}"
                )
                raise DataError(msg)
    if cached and file.confirmed and digest != file.md5:
        msg = (
            f"{path}: was damaged since its download (MD5 {digest}, published: {file.md5}); "
            "delete it, and it is downloaded again"
        )
        raise DataError(msg)


def _check_unique(path: Path, digest: str, earlier: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise DataError where a file is a copy of another one."""
    for name, facts in earlier.items():
        if facts["md5"] == digest:
            raise DataError(f"{path}: is a copy of {name}")


def _check_not_swapped(dataset: Dataset, found: Found, train: int, test: int) -> None:
    """Raise DataError where the numbers of images are those of the other part."""
    published = dataset.published("train"), dataset.published("test")
    if (test, train) == published:
        names = {
            part: ", ".join(
                found.paths[f.name].name
                for f in dataset.files
                if f.part == part and f.name in found.paths
            )
            for part in ("train", "test")
        }
        msg = (
            f"{found.folder}: train and test are swapped: {names['train']} hold {train:,} images "
            f"and {names['test']} {test:,}; {dataset.title} has {test:,} to train on"
        )
        raise DataError(msg)
