"""A web server of the test's own, which misbehaves as it is told."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `files` with ranges and ETags; `faults` are used up, one a request.

    Faults: a status such as 503; `cut`, half of the body, then the connection is closed;
    `stall`, half of it, then silence until `stopping` is set; `whole`, ranges are ignored;
    `stuck`, both `cut` and `whole`; `shifted`, another range than asked for; `nothing`, the
    connection is closed without an answer; `untold`, neither length nor validator.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[str | int] = []
        self.requests: list[tuple[str, str | None]] = []
        self.stopping = threading.Event()
        self.turn = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    @property
    def ranges(self) -> list[str | None]:
        """What each request asked for."""
        return [asked for _, asked in self.requests]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        with self.server.turn:
            name = self.path.lstrip("/")
            self.server.requests.append((name, self.headers.get("Range")))
            fault = self.server.faults.pop(0) if self.server.faults else None
        content = self.server.files.get(name)
        if fault == "nothing":
            return
        if content is None or isinstance(fault, int):
            self.send_error(fault if isinstance(fault, int) else 404)
            return
        self._send(content, fault)

    def _send(self, content: bytes, fault: str | None) -> None:
        etag = f'"{hashlib.sha1(content).hexdigest()}"'  # noqa: S324
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        same = self.headers.get("If-Range") == etag
        start = int(found[1]) if found and same and fault not in ("whole", "stuck", "untold") else 0
        if start >= len(content) > 0 and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            shown = start + (fault == "shifted")
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        if fault != "untold":
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(content) - start))
        self.send_header("X-Fault", fault or "none")
        self.end_headers()
        body = content[start:]
        if fault in ("cut", "stall", "stuck"):
            body = body[: len(body) // 2]
        self.wfile.write(body)
        self.wfile.flush()
        if fault == "stall":
            self.server.stopping.wait()

    def log_message(self, *arguments: object) -> None:
        """Be silent."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of 127.0.0.1."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
