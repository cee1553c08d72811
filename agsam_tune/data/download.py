"""Downloading a data set into the cache folder.

In: a data set. Out: its files in the cache, verified, each there whole or not at all. Must
not import torch, Ray, Optuna or pandas.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import math
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from agsam_tune.atomic import replace_file
from agsam_tune.data.fetching import DownloadError, Patience, Report, fetch
from agsam_tune.data.finding import find_cached, spellings
from agsam_tune.data.published import Archive, Dataset, PublishedFile
from agsam_tune.data.reading import DataError, is_gzip, md5, unpacked

__all__ = ["DownloadError", "Patience", "download"]

_LOG = logging.getLogger(__name__)


def download(dataset: Dataset, cache: Path, *, patience: Patience | None = None) -> None:
    """Put a data set's files into the cache.

    A second process that wants the same waits for the first and finds them there.

    Args:
        dataset: which.
        cache: the cache folder; it is made if it is not there.
        patience: how long to try.

    Raises:
        DownloadError: no mirror has them, or the cache cannot be written to; one line.
    """
    folder = cache / dataset.folders[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(cache / f".{dataset.name}.lock", dataset.title):
            if find_cached(dataset, cache) is None:
                _download(dataset, cache, folder, patience or Patience())
    except OSError as error:
        msg = f"{error.filename or folder}: cannot be written: {error.strerror or error}"
        raise DownloadError(msg) from error


def _download(dataset: Dataset, cache: Path, folder: Path, patience: Patience) -> None:
    if dataset.archive is not None:
        _fetch_archive(dataset, dataset.archive, cache, folder, patience)
        return
    for file in dataset.files:
        if not any((folder / name).exists() for name in spellings(file)):
            _fetch_file(dataset, file, folder, patience)


def _fetch_file(dataset: Dataset, file: PublishedFile, folder: Path, patience: Patience) -> None:
    """A file that is offered gzipped; the digest is that of its content."""
    name = f"{file.name}.gz"
    part = folder / f".{name}.part"

    def verify(path: Path) -> None:
        raw = path.read_bytes()
        # Some servers unpack what they send, whatever the name says.
        _check_digest(md5(unpacked(raw, path) if is_gzip(raw) else raw), file.md5)

    with _bar(f"{dataset.title}: {name}") as report:
        urls = [mirror + name for mirror in dataset.mirrors]
        fetch(urls, part, verify, report=report, patience=patience)
    with part.open("rb") as start:
        packed = is_gzip(start.read(2))
    part.replace(folder / (name if packed else file.name))


def _fetch_archive(
    dataset: Dataset, archive: Archive, cache: Path, folder: Path, patience: Patience
) -> None:
    """All files, from the one archive that they are offered in; its own digest is published."""
    part = cache / f".{archive.name}.part"

    def verify(path: Path) -> None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        _check_digest(found.hexdigest(), archive.md5)

    with _bar(f"{dataset.title}: {archive.name}") as report:
        urls = [mirror + archive.name for mirror in dataset.mirrors]
        fetch(urls, part, verify, report=report, patience=patience)
    try:
        _extract(dataset, archive, part, folder)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DownloadError(f"{archive.name}: is damaged: {error}") from error
    finally:
        part.unlink()


def _extract(dataset: Dataset, archive: Archive, packed: Path, folder: Path) -> None:
    """Write the data set's own files out of an archive.

    What is written, and where, is named by the data set, never by the archive; links and
    whatever else an archive may hold are passed over.
    """
    wanted = {f"{archive.folder}/{file.name}": file for file in dataset.files}
    record = dataset.label_bytes + math.prod(dataset.shape)
    with tarfile.open(packed, "r:gz") as tar:
        for member in tar:
            file = wanted.get(member.name.removeprefix("./"))
            if file is None or not member.isreg():
                continue
            stream = tar.extractfile(member)
            if stream is None or member.size != file.examples * record:
                msg = (
                    f"{archive.name}: its {member.name} has {member.size:,} bytes; "
                    f"expected: {file.examples * record:,}"
                )
                raise DownloadError(msg)
            replace_file(folder / file.name, stream.read())
            del wanted[member.name.removeprefix("./")]
    if wanted:
        raise DownloadError(f"{archive.name}: has no {', '.join(wanted)}")


def _check_digest(found: str, published: str) -> None:
    if found != published:
        msg = f"what it sent is not the published file (MD5 {found}, published: {published})"
        raise DataError(msg)


@contextmanager
def _alone(path: Path, title: str) -> Iterator[None]:
    """Keep other processes from downloading the same."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        _LOG.warning("%s is being downloaded by another process; waiting for it", title)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _bar(description: str) -> Iterator[Report]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _there, _total: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda there, total: bar.update(task, completed=there, total=total)
