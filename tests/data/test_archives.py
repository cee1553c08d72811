"""CIFAR's archives: only the data set's own files are written out of them."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agsam_tune.data.download import DownloadError, Patience, download
from agsam_tune.data.published import DATASETS
from tests.data.files import TEST, cifar10_files, published
from tests.data.server import Server, serving

FILES = cifar10_files()
FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"
HASTE = Patience(attempts=2, pause=0.0, timeout=600)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def _packed(members: Mapping[str, bytes | str]) -> bytes:
    """An archive; a text is the target of a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _members() -> dict[str, bytes | str]:
    return {f"{FOLDER}/{name}": content for name, content in FILES.items()}


def _download(server: Server, cache: Path, archive: bytes, sent: bytes | None = None) -> None:
    """Download as if this archive were the published one."""
    server.files = {ARCHIVE: archive if sent is None else sent}
    examples = {"train": TEST, "test": TEST}
    dataset = published("cifar10", FILES, examples, server.url, archive=archive)
    download(dataset, cache, patience=HASTE)


def _written(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.suffix != ".lock"
    }


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_files_are_unpacked_and_the_archive_is_gone(
    prefix: str, server: Server, cache: Path
) -> None:
    _download(server, cache, _packed({prefix + k: v for k, v in _members().items()}))
    assert _written(cache) == {f"{FOLDER}/{name}": content for name, content in FILES.items()}


def test_nothing_else_is_written(server: Server, cache: Path, tmp_path: Path) -> None:
    evil: dict[str, bytes | str] = {
        "../../evil": b"evil",
        str(tmp_path / "evil"): b"evil",
        f"{FOLDER}/../../evil": b"evil",
        f"{FOLDER}/more.bin": b"evil",
        f"{FOLDER}/link": "/etc/passwd",
    }
    _download(server, cache, _packed({**evil, **_members()}))
    assert _written(tmp_path) == {
        f"cache/agsam-tune/{FOLDER}/{name}": content for name, content in FILES.items()
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({f"{FOLDER}/test_batch.bin": "/etc/passwd"}, "has no cifar-10-batches-bin/test_batch.bin"),
        ({f"{FOLDER}/test_batch.bin": b"short"}, "test_batch.bin has 5 bytes; expected: 61,460"),
    ],
)
def test_an_archive_without_what_it_should_have(
    changes: dict[str, bytes | str], words: str, server: Server, cache: Path
) -> None:
    with pytest.raises(DownloadError, match=words):
        _download(server, cache, _packed({**_members(), **changes}))
    assert f"{FOLDER}/test_batch.bin" not in _written(cache)


@pytest.mark.parametrize("damage", ["no archive", "cut short"])
def test_a_damaged_archive_of_the_right_digest(damage: str, server: Server, cache: Path) -> None:
    archive = b"no archive" if damage == "no archive" else _packed(_members())[:-2000]
    with pytest.raises(DownloadError, match=f"{ARCHIVE}: is damaged"):
        _download(server, cache, archive)


def test_an_archive_of_another_digest(server: Server, cache: Path) -> None:
    with pytest.raises(DownloadError, match="not the published file"):
        _download(server, cache, _packed(_members()), sent=_packed({"other": b""}))
    assert _written(cache) == {}


def test_a_cut_download_of_an_archive_is_resumed(server: Server, cache: Path) -> None:
    server.faults = ["cut"]
    archive = _packed(_members())
    _download(server, cache, archive)
    assert server.ranges == [None, f"bytes={len(archive) // 2}-"]
    assert len(_written(cache)) == len(FILES)


def test_the_published_archives_are_those_of_the_authors_page() -> None:
    """https://www.cs.toronto.edu/~kriz/cifar.html"""
    digests = {d.archive.name: d.archive.md5 for d in DATASETS.values() if d.archive}
    assert digests == {
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
    }
