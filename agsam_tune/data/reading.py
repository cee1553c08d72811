"""Reading the files: IDX (MNIST and its like) and CIFAR's binary records.

In: a file's path, or its content. Out: arrays of bytes. Every defect is a `DataError` of
one line that names the file. Must not import anything heavier than NumPy.

Shapes: N examples, C channels, H × W pixels.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agsam_tune.errors import UsageError

Bytes = npt.NDArray[np.uint8]

_MAGIC = {"images": 2051, "labels": 2049}
_HEADER = {"images": 16, "labels": 8}
# CIFAR-100's coarse labels, which are checked and not used.
_COARSE_CLASSES = 20
# Bytes of a file's content, several times those of any data set of this kind: more would fill
# the memory.
_LARGEST = 1 << 30
_CHUNK = 1 << 20


class DataError(UsageError):
    """A file of a data set is missing or is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledImages:
    """A data set's two parts, as published or as a user's files have them.

    Attributes:
        train_x_NCHW: pixels 0 … 255 of the images to train on.
        train_y_N: their labels, 0 … classes−1.
        test_x_NCHW: pixels of the images to report on.
        test_y_N: their labels.
        source: what was found: numbers of images, each file's digest, and whether it is
            the published one. It can be written as JSON.
    """

    train_x_NCHW: Bytes
    train_y_N: Bytes
    test_x_NCHW: Bytes
    test_y_N: Bytes
    source: Mapping[str, Any]


def read_content(path: Path) -> bytes:
    """A file's content, unpacked where its name ends in .gz.

    Raises:
        DataError: it cannot be read, is empty, or is no whole gzip file.
    """
    try:
        if path.is_dir():
            raise DataError(f"{path}: is a folder, where a file is expected")
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise DataError(f"{path}: is no regular file")
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path}: holds more than {_LARGEST:,} bytes")
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    content = unpacked(raw, path) if path.suffix == ".gz" else raw
    if not content:
        raise DataError(f"{path}: is empty")
    return content


def is_gzip(beginning: bytes) -> bool:
    """Whether a file that begins like this is gzipped."""
    return beginning.startswith(b"\x1f\x8b")


def unpacked(raw: bytes, path: Path) -> bytes:
    """What a gzip file holds; its own checksum is verified.

    Raises:
        DataError: it is no whole gzip file, or holds too much.
    """
    if not raw:
        raise DataError(f"{path}: is empty")
    if not is_gzip(raw):
        msg = f"{path}: is not gzipped, as its name says: it begins with {raw[:4]!r}"
        raise DataError(msg)
    content = bytearray()
    try:
        with gzip.open(io.BytesIO(raw)) as stream:
            while chunk := stream.read(_CHUNK):
                content += chunk
                if len(content) > _LARGEST:
                    raise DataError(f"{path}: holds more than {_LARGEST:,} bytes")
    except EOFError as error:
        raise DataError(f"{path}: its gzip stream is cut short ({len(raw):,} bytes)") from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: its gzip stream is damaged: {error}") from error
    return bytes(content)


def md5(content: bytes) -> str:
    """The digest that data sets are published with; it finds damage, not malice."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx_images(content: bytes, path: Path, shape_CHW: tuple[int, int, int]) -> Bytes:
    """The (N, 1, H, W) images of an IDX file; see http://yann.lecun.com/exdb/mnist."""
    _check_magic(content, path, "images")
    count, height, width = (int(n) for n in np.frombuffer(content, ">u4", count=3, offset=4))
    if (height, width) != shape_CHW[1:]:
        msg = (
            f"{path}: its images are {height}×{width} pixels; "
            f"expected: {shape_CHW[1]}×{shape_CHW[2]}"
        )
        raise DataError(msg)
    _check_size(content, path, count, height * width, "images")
    pixels = np.frombuffer(content, np.uint8, offset=_HEADER["images"])
    return pixels.reshape(count, *shape_CHW)


def idx_labels(content: bytes, path: Path, classes: int) -> Bytes:
    """The (N,) labels of an IDX file."""
    _check_magic(content, path, "labels")
    count = int(np.frombuffer(content, ">u4", count=1, offset=4)[0])
    _check_size(content, path, count, 1, "labels")
    labels = np.frombuffer(content, np.uint8, offset=_HEADER["labels"])
    _check_labels(labels, path, classes)
    return labels


def cifar_records(
    content: bytes, path: Path, shape_CHW: tuple[int, int, int], *, label_bytes: int, classes: int
) -> tuple[Bytes, Bytes]:
    """The (N, C, H, W) images and (N,) labels of a file of records.

    Args:
        content: the file's.
        path: for messages.
        shape_CHW: of an image.
        label_bytes: bytes before each image; the last of them is the label.
        classes: number of classes.
    """
    record = label_bytes + int(np.prod(shape_CHW))
    count, rest = divmod(len(content), record)
    if rest:
        msg = (
            f"{path}: {len(content):,} bytes are no whole number of records of {record:,} "
            f"bytes ({count:,} and {rest:,} bytes more): it is cut short or something else"
        )
        raise DataError(msg)
    records = np.frombuffer(content, np.uint8).reshape(count, record)
    labels = records[:, label_bytes - 1]
    if label_bytes > 1:
        _check_labels(records[:, 0], path, _COARSE_CLASSES)
    _check_labels(labels, path, classes)
    return records[:, label_bytes:].reshape(count, *shape_CHW), labels


def _check_magic(content: bytes, path: Path, kind: Literal["images", "labels"]) -> None:
    """Raise DataError unless the content begins as an IDX file of that kind does."""
    header, magic = _HEADER[kind], _MAGIC[kind]
    found = int.from_bytes(content[:4], "big")
    other = "labels" if kind == "images" else "images"
    if len(content) >= 4 and found != magic:
        if found == _MAGIC[other]:
            what = f"holds {other} (magic number {found})"
        elif is_gzip(content):
            what = "is gzipped, but its name does not end in .gz"
        else:
            what = f"is no IDX file of bytes: it begins with {content[:4]!r}"
        raise DataError(f"{path}: {what}; expected: {kind} (magic number {magic})")
    if len(content) < header:
        msg = f"{path}: is cut short: {len(content)} bytes, where the header alone has {header}"
        raise DataError(msg)


def _check_size(content: bytes, path: Path, count: int, size: int, kind: str) -> None:
    """Raise DataError unless exactly `count` items of `size` bytes follow the header."""
    header = _HEADER[kind]
    expected, found = header + count * size, len(content)
    if not count:
        raise DataError(f"{path}: holds no {kind}")
    if found < expected:
        msg = (
            f"{path}: is cut short: its header announces {count:,} {kind}, {expected:,} bytes, "
            f"but there are {found:,}"
        )
        raise DataError(msg)
    if found > expected:
        msg = (
            f"{path}: {found - expected:,} bytes too many: its header announces {count:,} "
            f"{kind}, {expected:,} bytes, but there are {found:,}"
        )
        raise DataError(msg)


def _check_labels(labels_N: Bytes, path: Path, classes: int) -> None:
    wrong = np.flatnonzero(labels_N >= classes)
    if len(wrong):
        msg = (
            f"{path}: label {labels_N[wrong[0]]} of image {wrong[0]} (the first is 0) is none "
            f"of 0 … {classes - 1}"
        )
        raise DataError(msg)
