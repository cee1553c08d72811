"""Downloads from a server that cuts off, lies, changes its mind or is not there."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
import requests
import urllib3

from agsam_tune.data import DataError, fetching, load, load_images
from agsam_tune.data.download import DownloadError, Patience, download
from agsam_tune.data.published import DATASETS, Dataset
from tests.data.files import TEST, TRAIN, idx_files, published, write
from tests.data.server import Server, serving
from tests.waiting import until

FILES = idx_files()
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}
FIRST = "train-images-idx3-ubyte.gz"
# A pause would do nothing here, and no answer is late.
HASTE = Patience(attempts=3, pause=0.0, timeout=600)
CLOSED = "http://127.0.0.1:9/"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.files = dict(PACKED)
        yield server


@pytest.fixture
def mnist(server: Server) -> Dataset:
    return _mnist(server.url)


def _mnist(*mirrors: str) -> Dataset:
    return published("mnist", FILES, {"train": TRAIN, "test": TEST}, *mirrors)


def _kept(cache: Path) -> dict[str, bytes]:
    """The files in the cache; none may be left half done."""
    return {p.name: p.read_bytes() for p in sorted((cache / "mnist").iterdir())}


def _begun(cache: Path, server: Server, content: bytes, validator: str | None = None) -> None:
    """What an interrupted download of the first file left."""
    part = cache / "mnist" / f".{FIRST}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    state = {"url": server.url + FIRST, "validator": validator or _etag(PACKED[FIRST])}
    part.with_name(f"{part.name}.json").write_text(json.dumps(state))


def _etag(content: bytes) -> str:
    import hashlib

    return f'"{hashlib.sha1(content).hexdigest()}"'  # noqa: S324


def _refusal(dataset: Dataset, cache: Path, patience: Patience = HASTE) -> str:
    with pytest.raises(DownloadError) as caught:
        download(dataset, cache, patience=patience)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_all_files_are_fetched_once(
    mnist: Dataset, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "DATASETS", MappingProxyType({**DATASETS, "mnist": mnist}))
    source = load_images("mnist").source
    assert source["published"]
    assert source["found_in"] == "cache"
    assert _kept(cache) == PACKED
    assert [name for name, _ in server.requests] == list(PACKED)
    load_images("mnist")
    download(mnist, cache)
    assert len(server.requests) == 4


def test_only_what_is_missing_is_fetched(mnist: Dataset, server: Server, cache: Path) -> None:
    write(cache / "mnist", FILES)
    (cache / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    download(mnist, cache, patience=HASTE)
    assert [name for name, _ in server.requests] == ["t10k-labels-idx1-ubyte.gz"]


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Where the server stalls, the client runs out of its patience at once; lists that."""
    patience: list[float] = []
    get, read1 = requests.get, urllib3.HTTPResponse.read1

    def asked(*arguments: Any, timeout: float, **more: Any) -> requests.Response:
        patience.append(timeout)
        return get(*arguments, timeout=timeout, **more)

    def read(response: urllib3.HTTPResponse, *arguments: Any, **more: Any) -> bytes:
        size = int(response.headers["Content-Length"])
        if response.headers["X-Fault"] == "stall" and response.length_remaining == size - size // 2:
            raise urllib3.exceptions.ReadTimeoutError(None, "", "Read timed out.")  # type: ignore[arg-type]
        return read1(response, *arguments, **more)

    monkeypatch.setattr(requests, "get", asked)
    monkeypatch.setattr(urllib3.HTTPResponse, "read1", read)
    return patience


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_a_cut_or_stalled_connection_is_resumed(
    fault: str, mnist: Dataset, server: Server, cache: Path, impatience: list[float]
) -> None:
    server.faults = [fault, fault]
    download(mnist, cache, patience=HASTE)
    half = len(PACKED[FIRST]) // 2
    rest = len(PACKED[FIRST]) - half
    assert server.ranges[:3] == [None, f"bytes={half}-", f"bytes={half + rest // 2}-"]
    assert _kept(cache) == PACKED
    assert set(impatience) == {HASTE.timeout}


def test_the_pause_grows_with_each_attempt_that_brings_nothing(
    mnist: Dataset, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(fetching, "time", SimpleNamespace(sleep=pauses.append))
    server.faults = [503, 503, "cut", 503]
    download(mnist, cache, patience=Patience(attempts=4, pause=0.5, timeout=600))
    assert pauses == [1.0, 2.0, 0.5, 1.0]


@pytest.mark.parametrize("fault", ["whole", "shifted", "untold", "nothing", 503, 429])
def test_a_resumed_download_that_meets_a_fault(
    fault: str | int, mnist: Dataset, server: Server, cache: Path
) -> None:
    _begun(cache, server, PACKED[FIRST][:1000])
    server.faults = [fault]
    download(mnist, cache, patience=HASTE)
    assert server.ranges[0] == "bytes=1000-"
    assert _kept(cache) == PACKED


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        (PACKED[FIRST], [f"bytes={len(PACKED[FIRST])}-"]),  # whole, and then killed
        (PACKED[FIRST] + b"more", [f"bytes={len(PACKED[FIRST]) + 4}-", None]),
        (b"other bytes", ["bytes=11-", None]),  # damaged: seen by the digest
        (b"", [None]),
    ],
)
def test_what_an_interrupted_download_left(
    content: bytes, asked: list[str | None], mnist: Dataset, server: Server, cache: Path
) -> None:
    _begun(cache, server, content)
    download(mnist, cache, patience=HASTE)
    assert server.ranges[: len(asked)] == asked
    assert len(server.requests) == len(asked) + 3
    assert _kept(cache) == PACKED


def test_a_file_that_changed_meanwhile_begins_again(
    mnist: Dataset, server: Server, cache: Path
) -> None:
    _begun(cache, server, PACKED[FIRST][:1000], '"of an older file"')
    download(mnist, cache, patience=HASTE)
    assert len(server.requests) == 4  # the first answer was whole
    assert _kept(cache) == PACKED


def test_the_beginning_from_another_mirror_is_not_continued(server: Server, cache: Path) -> None:
    _begun(cache, server, PACKED[FIRST][:1000])
    with serving() as other:
        other.files = {
            name: gzip.compress(content, compresslevel=1)
            for name, content in zip(PACKED, FILES.values(), strict=True)
        }
        download(_mnist(other.url), cache, patience=HASTE)
        assert other.ranges == [None] * 4
        assert _kept(cache) == other.files


def test_the_next_mirror_is_asked(mnist: Dataset, server: Server, cache: Path) -> None:
    with serving() as empty, serving() as lying:
        lying.files = {name: gzip.compress(b"something else") for name in PACKED}
        download(_mnist(CLOSED, empty.url, lying.url, server.url), cache, patience=HASTE)
        assert len(empty.requests) == len(lying.requests) == 4
    assert _kept(cache) == PACKED


def test_every_mirror_s_fault_is_named(mnist: Dataset, server: Server, cache: Path) -> None:
    with serving() as empty, serving() as broken, serving() as lying:
        broken.faults = [500] * HASTE.attempts
        lying.files = {FIRST: PACKED["t10k-images-idx3-ubyte.gz"]}
        message = _refusal(_mnist(CLOSED, empty.url, broken.url, lying.url), cache)
        assert f"{CLOSED}{FIRST}: " in message
        assert "Connection refused" in message
        assert f"{empty.url}{FIRST}: answered 404 Not Found" in message
        assert f"{broken.url}{FIRST}: answered 500 Internal Server Error (3 attempts " in message
        assert f"{lying.url}{FIRST}: what it sent is not the published file (MD5 " in message
    assert _kept(cache) == {}


@pytest.mark.parametrize(("fault", "requests"), [("stuck", 4), ("nothing", 3), (503, 3)])
def test_a_mirror_that_brings_nothing_more_is_given_up(
    fault: str | int, requests: int, mnist: Dataset, server: Server, cache: Path
) -> None:
    server.faults = [fault] * 9
    message = _refusal(mnist, cache)
    assert "(3 attempts without progress)" in message
    assert len(server.requests) == requests


def test_a_connection_that_is_cut_again_and_again(
    mnist: Dataset, server: Server, cache: Path
) -> None:
    server.faults = ["cut"] * 8
    download(mnist, cache, patience=HASTE)
    assert len(server.requests) == 8 + 4
    assert _kept(cache) == PACKED


def test_a_server_that_unpacks_what_it_sends(mnist: Dataset, server: Server, cache: Path) -> None:
    server.files = {f"{name}.gz": content for name, content in FILES.items()}
    download(mnist, cache, patience=HASTE)
    assert _kept(cache) == FILES


@pytest.mark.parametrize("place", ["file/below", "/proc/agsam"])
def test_a_cache_that_cannot_be_written(place: str, mnist: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    message = _refusal(mnist, tmp_path / place)
    assert str(tmp_path / place) in message
    assert "cannot be written" in message


PROGRAM = """
import resource, sys, types
from pathlib import Path
from agsam_tune.data.download import Patience, download
from tests.data.test_download import _mnist
url, cache, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    download(_mnist(url), cache, patience=Patience(attempts=3, pause=0.0, timeout=600))
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def _process(server: Server, cache: Path, limit: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server.url, str(cache), str(limit)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_full_disk(server: Server, cache: Path) -> None:
    """A limit on the size of files fails as a full disk does: the write raises OSError."""
    _, message = _process(server, cache, limit=8_192).communicate()
    assert message.startswith(
        f"DownloadError: {cache / 'mnist'}: cannot be written: File too large"
    )
    assert len(message.splitlines()) == 1


def test_two_processes_download_once(server: Server, cache: Path) -> None:
    server.faults = ["stall"]
    first = _process(server, cache)
    until(lambda: server.requests, while_true=lambda: first.poll() is None)
    second = _process(server, cache)
    assert second.stderr is not None
    assert "is being downloaded by another process" in second.stderr.readline()
    server.stopping.set()  # the stalled connection ends, and is resumed
    for process in (first, second):
        process.communicate()
        assert process.returncode == 0
    assert len(server.requests) == 5
    assert _kept(cache) == PACKED


def test_a_killed_download_is_carried_on(server: Server, cache: Path) -> None:
    server.faults = ["stall"]
    process = _process(server, cache)
    part = cache / "mnist" / f".{FIRST}.part"
    half = len(PACKED[FIRST]) // 2
    until(lambda: part.exists() and part.stat().st_size, while_true=lambda: process.poll() is None)
    process.kill()
    process.communicate()
    there = part.stat().st_size
    assert 0 < there <= half
    download(_mnist(server.url), cache, patience=HASTE)
    assert server.ranges[1] == f"bytes={there}-"
    assert _kept(cache) == PACKED


def test_a_bar_on_a_terminal_and_nothing_elsewhere(
    mnist: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    download(mnist, cache, patience=HASTE)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    download(mnist, cache / "again", patience=HASTE)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"MNIST: {FIRST}" in captured.err


def test_a_download_error_is_a_data_error() -> None:
    assert issubclass(DownloadError, DataError)
