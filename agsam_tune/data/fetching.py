"""Fetching a file over HTTP: mirrors in turn, retries, and resuming what was cut off.

In: URLs and a path. Out: the file, as the server sent it; whoever calls verifies it. Must
not import torch, Ray, Optuna or pandas.

What was received of a file lies in PART; PART.json names the URL that it came from and the
server's validator (ETag, else Last-Modified; RFC 9110, section 13.1.5). It is resumed from
the same URL alone, and only while that still has the same file, since mirrors pack one
content differently.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3

from agsam_tune import __version__
from agsam_tune.atomic import write_json
from agsam_tune.data.reading import DataError

# Answers that another attempt may change: time-outs, too many requests, the server's faults.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_CHUNK = 1 << 16

Report = Callable[[int, int | None], None]
"""Is told the bytes that are there and, where known, how many there will be."""


class DownloadError(DataError):
    """A file could not be fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to try.

    Attributes:
        attempts: requests to one URL that bring nothing, one after the other.
        pause: seconds before the next attempt; twice as many after each that brought nothing.
        timeout: seconds without an answer, or without a byte of it.
    """

    attempts: int = 4
    pause: float = 0.5
    timeout: float = 20.0


class _RefusedError(Exception):
    """This URL will not do."""


class _CutOffError(Exception):
    """Another attempt may do; what was received so far may serve it."""


class _StaleError(Exception):
    """What was received so far does not fit; it must begin again."""


def fetch(
    urls: Iterable[str],
    part: Path,
    verify: Callable[[Path], None],
    *,
    report: Report,
    patience: Patience,
) -> None:
    """Fetch a file from the first of several URLs that has it whole and right.

    Args:
        urls: where it is offered, in the order of trying.
        part: where to put it; what lies there is resumed if it can be.
        verify: raises DataError where the file is not the right one.
        report: is told of progress.
        patience: how long to try.

    Raises:
        DownloadError: none has it, or it cannot be written.
    """
    problems = []
    for url in urls:
        try:
            _fetch_verified(url, part, verify, report, patience)
            return
        except (_RefusedError, DataError) as error:
            problems.append(f"{url}: {error}")
        except OSError as error:  # of the disk: other mirrors would not help
            msg = f"{part.parent}: cannot be written: {error.strerror or error}"
            raise DownloadError(msg) from error
    raise DownloadError("; ".join(problems))


def _fetch_verified(
    url: str,
    part: Path,
    verify: Callable[[Path], None],
    report: Report,
    patience: Patience,
) -> None:
    """Fetch and verify; what was joined from several answers and is wrong is fetched anew."""
    for _ in range(2):
        resumed = _fetch_whole(url, part, report, patience)
        try:
            verify(part)
        except DataError:
            _discard(part)
            if not resumed:
                raise
        else:
            _state(part).unlink(missing_ok=True)
            return
    raise _RefusedError("what it sends is a different file each time")


def _fetch_whole(url: str, part: Path, report: Report, patience: Patience) -> bool:
    """Ask until the file is whole; returns whether it was joined from several answers."""
    resumed, most, left = False, 0, patience.attempts
    while True:
        try:
            return _ask(url, part, report, patience) or resumed
        except _StaleError as error:
            _discard(part)
            problem = str(error)
        except _CutOffError as error:
            resumed, problem = True, str(error)
        received = part.stat().st_size if part.exists() else 0
        left = patience.attempts if received > most else left - 1
        most = max(most, received)
        if not left:
            raise _RefusedError(f"{problem} ({patience.attempts} attempts without progress)")
        time.sleep(patience.pause * 2 ** (patience.attempts - left))


def _ask(url: str, part: Path, report: Report, patience: Patience) -> bool:
    """One request; returns whether it continued what was there already."""
    there, validator = _received(url, part)
    # Without a coding of the transfer's own, positions count the file's bytes.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"agsam-tune/{__version__}"}
    if there:
        headers |= {"Range": f"bytes={there}-", "If-Range": validator}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=patience.timeout) as response:
            start, total = _position(response, there)
            if start != total:
                _keep(response, url, part, start, total, report)
    except requests.ConnectionError as error:
        raise _connection_problem(error) from error
    except (requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _CutOffError(_reason(error)) from error
    except requests.RequestException as error:
        raise _RefusedError(_reason(error)) from error
    except urllib3.exceptions.HTTPError as error:  # while the body was read
        raise _CutOffError(_reason(error)) from error
    return start > 0


def _position(response: requests.Response, there: int) -> tuple[int, int | None]:
    """Where the answer's bytes begin in the file, and the file's size where it is known.

    They are equal where nothing is left to receive.
    """
    status = response.status_code
    found = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "")
    )
    begins, size = found.groups() if found else (None, None)
    if status == 206 and begins == str(there):
        return there, int(size) if size and size.isdecimal() else None
    if status == 206:
        raise _StaleError("it sent another range than it was asked for")
    if status == 416 and size == str(there):  # it was received whole before
        return there, there
    if status == 416:
        raise _StaleError("it has fewer bytes than were received before")
    if status == 200:  # all of it: the server ignores ranges, or its file has changed
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    text = f"answered {status} {response.reason}".rstrip()
    raise _CutOffError(text) if status in _PASSING else _RefusedError(text)


def _keep(
    response: requests.Response, url: str, part: Path, start: int, total: int | None, report: Report
) -> None:
    """Write an answer's bytes at their place, and see that they are all there."""
    if not start:
        _discard(part)
        etag = response.headers.get("ETag", "")
        # A weak ETag does not promise the same bytes.
        validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
        if validator:
            write_json(_state(part), {"url": url, "validator": validator})
    there = start
    report(there, total)
    with part.open("ab") as file:
        # read1 hands out what has arrived, so that what a stalled connection sent is kept.
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            file.write(chunk)
            file.flush()
            there += len(chunk)
            report(there, total)
        os.fsync(file.fileno())
    if total is not None and there < total:
        raise _CutOffError(f"cut off after {there:,} of {total:,} bytes")
    if total is not None and there > total:
        raise _StaleError(f"sent {there:,} bytes, though it announced {total:,}")


def _received(url: str, part: Path) -> tuple[int, str]:
    """How many bytes are there that this URL can continue, and their validator; or (0, "")."""
    try:
        state = json.loads(_state(part).read_text("utf-8"))
        validator = str(state["validator"]) if state["url"] == url else ""
        size = part.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):  # nothing is there that can be trusted
        return 0, ""
    return (size, validator) if validator else (0, "")


def _connection_problem(error: requests.ConnectionError) -> Exception:
    """Refused where the host was never reached, cut off where it was."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    never = (
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.ProxyError,
        urllib3.exceptions.SSLError,
    )
    return (_RefusedError if isinstance(reason, never) else _CutOffError)(_reason(error))


def _reason(error: Exception) -> str:
    """The innermost cause, in one line."""
    inner: BaseException = error
    while True:
        nested = getattr(inner, "reason", None) or next(
            (a for a in reversed(inner.args) if isinstance(a, BaseException)), None
        )
        if not isinstance(nested, BaseException):
            break
        inner = nested
    text = str(inner).partition("\n")[0]
    return re.sub(r"^HTTPS?Connection\([^)]*\): ", "", text) or type(inner).__name__


def _state(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _discard(part: Path) -> None:
    _state(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)
