"""Files that are not what they should be: each is refused in one line that names it."""

import errno
import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pytest

from agsam_tune.data import DataError, load, load_images, reading
from agsam_tune.data.published import DATASETS
from tests.data.files import (
    TEST,
    TRAIN,
    cifar10_files,
    cifar100_files,
    idx_files,
    idx_images,
    idx_labels,
    published,
    records,
    write,
)

X, Y = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TX, TY = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = idx_files()
PACKED = gzip.compress(FILES[X], compresslevel=1)


def _put(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def _gz(content: bytes) -> Callable[[Path], None]:
    """These bytes under the name of the gzipped training images."""

    def spoil(folder: Path) -> None:
        (folder / X).unlink()
        (folder / f"{X}.gz").write_bytes(content)

    return spoil


def _instead(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return spoil


def _flipped(content: bytes, position: int) -> bytes:
    spoilt = bytearray(content)
    spoilt[position] ^= 0xFF
    return bytes(spoilt)


def _swap(one: str, other: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / one).rename(folder / "aside")
        (folder / other).rename(folder / one)
        (folder / "aside").rename(folder / other)

    return spoil


IDX = {
    "cut short": (_put(X, FILES[X][:-1000]), X, "cut short"),
    "cut short to the header": (_put(X, FILES[X][:16]), X, "cut short"),
    "cut in the header": (_put(X, FILES[X][:10]), X, "the header alone has 16"),
    "cut in the magic number": (_put(TY, FILES[TY][:3]), TY, "the header alone has 8"),
    "labels cut short": (_put(Y, FILES[Y][:-1]), Y, "cut short"),
    "bytes too many": (_put(X, FILES[X] + b"\0" * 7), X, "7 bytes too many"),
    "labels with bytes too many": (_put(TY, FILES[TY] + b"\0"), TY, "1 bytes too many"),
    "empty": (_put(X, b""), X, "is empty"),
    "a web page": (_put(X, b"<!DOCTYPE html>" * 9), X, "begins with b'<!DO'"),
    "numbers of another kind": (
        _put(X, struct.pack(">4I", 0xD03, TRAIN, 28, 28) + FILES[X][16:]),
        X,
        "no IDX file of bytes",
    ),
    "labels for images": (_put(X, FILES[Y]), X, "holds labels (magic number 2049)"),
    "images for labels": (_put(Y, FILES[X]), Y, "holds images (magic number 2051)"),
    "images and labels swapped": (_swap(X, Y), X, "holds labels"),
    "fewer labels than images": (_put(Y, idx_labels(TRAIN - 1)), X, "40 images, but 39 labels"),
    "more labels than images": (_put(TY, idx_labels(TEST + 1)), TY, "20 images, but 21 labels"),
    "labels of train and test swapped": (_swap(Y, TY), Y, "40 images, but 20 labels"),
    "a label out of range": (_put(Y, FILES[Y][:-1] + b"\x0a"), Y, "label 10 of image 39"),
    "images of another size": (_put(X, idx_images(TRAIN, 1, 27)), X, "27×28"),
    "images on their side": (_put(X, idx_images(TRAIN, 1, 14, 56)), X, "14×56"),
    "no images": (_put(X, idx_images(0, 1)), X, "holds no images"),
    "four billion images": (
        _put(X, struct.pack(">4I", 2051, 2**32 - 1, 28, 28) + b"\0" * 784),
        X,
        "announces 4,294,967,295 images",
    ),
    "gzip cut short": (_gz(PACKED[:-1000]), f"{X}.gz", "gzip stream is cut short"),
    "gzip cut in its checksum": (_gz(PACKED[:-3]), f"{X}.gz", "gzip stream is cut short"),
    "gzip cut to its first bytes": (_gz(PACKED[:2]), f"{X}.gz", "gzip stream is cut short"),
    "gzip with a wrong checksum": (_gz(_flipped(PACKED, -6)), f"{X}.gz", "damaged: CRC check"),
    "gzip with a wrong size": (_gz(_flipped(PACKED, -1)), f"{X}.gz", "damaged: Incorrect length"),
    "gzip with a flipped byte": (_gz(_flipped(PACKED, 300)), f"{X}.gz", "gzip stream is "),
    "gzip with something behind it": (_gz(PACKED + b"more"), f"{X}.gz", "damaged: Not a gzipped"),
    "not gzipped": (_gz(FILES[X]), f"{X}.gz", "is not gzipped, as its name says"),
    "gzipped, an empty file": (_gz(b""), f"{X}.gz", "is empty"),
    "gzipped nothing": (_gz(gzip.compress(b"")), f"{X}.gz", "is empty"),
    "gzipped without saying so": (_put(X, PACKED), X, "does not end in .gz"),
    "gzipped twice": (_gz(gzip.compress(PACKED)), f"{X}.gz", "expected: images"),
    "a folder": (_instead(X, Path.mkdir), X, "is a folder"),
    "a pipe": (_instead(X, os.mkfifo), X, "is no regular file"),
    "a link to nowhere": (_instead(X, lambda p: p.symlink_to("nowhere")), X, "cannot be read"),
    "unreadable": (_instead(X, lambda p: p.symlink_to("/proc/self/mem")), X, "cannot be read"),
    "missing": (_instead(TY, lambda _: None), "mnist", f"but no {TY}"),
    "two missing": (
        lambda folder: [(folder / name).unlink() for name in (X, TX)] and None,
        "mnist",
        f"but no {X} or {TX}",
    ),
    "test images to train on": (_put(X, FILES[TX]), TX, f"is a copy of {X}"),
}

BATCHES = cifar10_files()
CIFAR10 = {
    "cut short": (
        _put("data_batch_3.bin", BATCHES["test_batch.bin"][:-1]),
        "data_batch_3.bin",
        "19",
    ),
    "bytes too many": (
        _put("test_batch.bin", BATCHES["test_batch.bin"] + b"\0\0"),
        "test_batch.bin",
        "20 and 2 bytes more",
    ),
    "empty": (_put("test_batch.bin", b""), "test_batch.bin", "is empty"),
    "a label out of range": (
        _put("data_batch_2.bin", b"\x0a" + records(3, 9)[1:]),
        "data_batch_2.bin",
        "label 10 of image 0",
    ),
    "of CIFAR-100": (
        _put("data_batch_2.bin", cifar100_files()["test.bin"]),
        "data_batch_2.bin",
        "no whole number of records of 3,073 bytes",
    ),
    "a batch twice": (
        _put("data_batch_2.bin", BATCHES["data_batch_1.bin"]),
        "data_batch_2.bin",
        "is a copy of data_batch_1.bin",
    ),
    "the test batch to train on": (
        _put("data_batch_4.bin", BATCHES["test_batch.bin"]),
        "test_batch.bin",
        "is a copy of data_batch_4.bin",
    ),
    "no test batch": (
        _instead("test_batch.bin", lambda _: None),
        "cifar-10-batches-bin",
        "but no test_batch.bin",
    ),
    "no batch to train on": (
        lambda folder: [p.unlink() for p in folder.glob("data*")] and None,
        "cifar-10-batches-bin",
        "but no data_batch_1.bin",
    ),
    "a folder": (_instead("data_batch_1.bin", Path.mkdir), "data_batch_1.bin", "is a folder"),
}

COARSE = cifar100_files()
CIFAR100 = {
    "cut short": (_put("train.bin", COARSE["train.bin"][:-9]), "train.bin", "199"),
    "of CIFAR-10": (_put("train.bin", records(50, 1)), "train.bin", "records of 3,074 bytes"),
    "a fine label out of range": (
        _put("test.bin", b"\0\x64" + COARSE["test.bin"][2:]),
        "test.bin",
        "label 100 of image 0",
    ),
    "a coarse label out of range": (
        _put("test.bin", b"\x14" + COARSE["test.bin"][1:]),
        "test.bin",
        "label 20 of image 0",
    ),
    "missing": (_instead("test.bin", lambda _: None), "cifar-100-binary", "but no test.bin"),
}

CASES = [
    pytest.param(name, folder, files, *case, id=f"{name}: {title}")
    for name, folder, files, cases in (
        ("mnist", "mnist", FILES, IDX),
        ("cifar10", "cifar-10-batches-bin", BATCHES, CIFAR10),
        ("cifar100", "cifar-100-binary", COARSE, CIFAR100),
    )
    for title, case in cases.items()
]


def _refusal(name: str) -> str:
    with pytest.raises(DataError) as caught:
        load_images(name)
    return str(caught.value)


@pytest.mark.parametrize(("name", "folder", "files", "spoil", "culprit", "words"), CASES)
def test_a_wrong_file_is_refused_by_name(
    name: str,
    folder: str,
    files: dict[str, bytes],
    spoil: Callable[[Path], None],
    culprit: str,
    words: str,
    data: Path,
    cache: Path,
) -> None:
    write(data / folder, files)
    load_images(name)  # whole, they are accepted
    spoil(data / folder)
    message = _refusal(name)
    assert "\n" not in message
    assert message.startswith(str(data / folder)), message
    assert culprit in message, message
    assert words in message, message
    assert not cache.exists()


def test_there_are_more_than_twenty_kinds_of_defect() -> None:
    assert len(CASES) > 50


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """MNIST and Fashion-MNIST as if the small files were the published ones."""
    datasets = {
        "mnist": published("mnist", FILES, {"train": TRAIN, "test": TEST}),
        "fashion_mnist": published("fashion_mnist", idx_files(1), {"train": TRAIN, "test": TEST}),
    }
    monkeypatch.setattr(load, "DATASETS", MappingProxyType({**DATASETS, **datasets}))


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("place", [".", "mnist", "fashion_mnist"])
@pytest.mark.parametrize(
    ("name", "other"), [("mnist", "Fashion-MNIST"), ("fashion_mnist", "MNIST")]
)
def test_one_data_set_given_as_the_other(name: str, other: str, place: str, data: Path) -> None:
    write(data / place, idx_files(1 if name == "mnist" else 0), packed=True)
    if place in (".", name):
        message = _refusal(name)
        assert f"{X}.gz: holds what is published as {X} of {other}; expected: {X} of" in message
    else:
        assert "was not found" in _refusal(name)


@pytest.mark.usefixtures("known")
def test_published_files_that_are_swapped(data: Path) -> None:
    folder = write(data / "mnist", FILES)
    _swap(X, TX)(folder)
    assert f"holds what is published as {TX} of MNIST; expected: {X}" in _refusal("mnist")


@pytest.mark.usefixtures("known")
def test_labels_of_the_other_data_set(data: Path) -> None:
    write(data / "mnist", {**FILES, Y: idx_files(1)[Y]})
    assert f"{Y}: holds what is published as {Y} of Fashion-MNIST" in _refusal("mnist")


@pytest.mark.usefixtures("known")
def test_train_and_test_swapped_in_files_of_one_s_own(data: Path) -> None:
    write(data / "mnist", idx_files(5, train=TEST, test=TRAIN))
    message = _refusal("mnist")
    assert "train and test are swapped" in message
    assert f"{X}, {Y} hold 20 images" in message


@pytest.mark.usefixtures("known")
def test_a_file_that_was_damaged_in_the_cache(cache: Path) -> None:
    folder = write(cache / "mnist", FILES, packed=True)
    assert load_images("mnist").source["published"]
    spoilt = gzip.compress(_flipped(FILES[TX], 2000))
    (folder / f"{TX}.gz").write_bytes(spoilt)
    message = _refusal("mnist")
    assert f"{TX}.gz: was damaged since its download" in message
    assert "delete it" in message


def test_a_data_folder_that_is_not_there(data: Path) -> None:
    data.rmdir()
    assert _refusal("mnist") == f"{data}: there is no such folder (--data, AGSAM_TUNE_DATA)"
    data.write_text("in the way")
    assert _refusal("mnist") == f"{data}: is no folder (--data, AGSAM_TUNE_DATA)"


def test_a_data_folder_of_an_impossible_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGSAM_TUNE_DATA", 300 * "x")
    assert ": cannot be looked into: File name too long (--data" in _refusal("mnist")
    monkeypatch.setenv("AGSAM_TUNE_DATA", "~nobody-of-this-name/data")
    assert _refusal("mnist").startswith("~nobody-of-this-name/data: there is no such folder")


def test_a_folder_whose_files_may_not_be_looked_at(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(data / "mnist", FILES)

    def forbidden(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "is_file", forbidden)
    assert _refusal("mnist") == f"{data / 'mnist'}: cannot be looked into: Permission denied"


@pytest.mark.parametrize("packed", [True, False])
def test_content_that_would_fill_the_memory(
    packed: bool, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LARGEST", len(FILES[X]) - 1)
    write(data / "mnist", FILES)
    if packed:
        _gz(PACKED)(data / "mnist")
    name = f"{X}.gz" if packed else X
    assert _refusal("mnist").startswith(f"{data / 'mnist' / name}: holds more than ")


@pytest.mark.parametrize("name", DATASETS)
def test_without_data_and_network_one_line_says_what_to_do(name: str, data: Path) -> None:
    message = _refusal(name)
    assert "\n" not in message
    assert str(data) in message
    for file in DATASETS[name].files:
        assert file.name in message
    assert f"in FOLDER/{DATASETS[name].folders[0]} and name FOLDER with --data" in message
