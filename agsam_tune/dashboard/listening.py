"""The dashboard's door: a local server that shows and changes nothing, to whom it is meant for.

In: a host, a port and a WSGI application. Out: a server. Imports the standard library only, so that
a port that is in use is told at once.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import socket
import socketserver
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from agsam_tune.errors import UsageError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
]
_HTML, _JSON, _TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
# The report has a policy of its own; whatever lies in its place can load and ask for nothing.
_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ONLY_SHOWS = "This dashboard only shows the run: nothing can be changed in it."
_NO_REPORT = "There is no report yet: agsam-tune report writes it.\n"


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """A server that answers several pages at a time, and is left at once."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking a name server for the host's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    @property
    def url(self) -> str:
        """What to type into a browser."""
        host = str(self.server_address[0])
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.server_port}/"


class _Server6(Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Answers without a line for each request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002  (its signature)
        return


def listen(host: str, port: int) -> Server:
    """A server that listens, and answers when it is told how.

    Args:
        host: an address or a name of this machine.
        port: the port, 0 for any that is free.

    Raises:
        UsageError: it cannot listen there.
    """
    kind = _Server6 if ":" in host else Server
    try:
        return kind((host, port), _Handler)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            msg = f"--port {port}: another program listens there; name another port, or 0 for any"
            raise UsageError(msg) from error
        msg = f"--host {host} --port {port}: cannot listen there: {error.strerror or error}"
        raise UsageError(msg) from error


class Guard:
    """Lets through to optuna-dashboard what only reads, and serves the report beside it.

    Browsers let any page send requests to 127.0.0.1 under a name of its own choice, which then
    stands in `Host`. So where the server is this machine's alone, a request must name it.

    Args:
        application: what answers.
        host: where the server listens.
        report: the run's `report.html`, which may not be there yet.
    """

    def __init__(self, application: WSGIApplication, *, host: str, report: Path) -> None:
        self._application = application
        self._local = is_local(host)
        self._names = {*LOCAL_NAMES, f"[{host}]" if ":" in host else host}
        self._report = report

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._local and _name(environ.get("HTTP_HOST", "")) not in self._names:
            return _answer(start_response, HTTPStatus.FORBIDDEN, "Not the host of this page.\n")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            text = json.dumps({"reason": _ONLY_SHOWS})
            return _answer(start_response, HTTPStatus.METHOD_NOT_ALLOWED, text, kind=_JSON)
        if environ.get("PATH_INFO", "").rstrip("/") == "/report":
            return self._send_report(start_response)

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, *_HEADERS], *more)

        return self._application(environ, start)

    def _send_report(self, start_response: StartResponse) -> Iterable[bytes]:
        try:
            content = self._report.read_bytes()
        except OSError:
            return _answer(start_response, HTTPStatus.NOT_FOUND, _NO_REPORT)
        policy = ("Content-Security-Policy", _REPORT_POLICY)
        return _answer(start_response, HTTPStatus.OK, content, kind=_HTML, more=[policy])


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name(host: str) -> str:
    """A `Host` without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def _answer(
    start_response: StartResponse,
    status: HTTPStatus,
    content: str | bytes,
    *,
    kind: str = _TEXT,
    more: Iterable[tuple[str, str]] = (),
) -> Iterable[bytes]:
    body = content.encode() if isinstance(content, str) else content
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *_HEADERS, *more]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
