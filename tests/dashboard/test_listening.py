"""The dashboard's door: who is let in, what may be done, and the report beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agsam_tune.dashboard.listening import Guard, is_local, listen
from agsam_tune.errors import UsageError


def answered(
    guard: Guard, path: str = "/dashboard", *, host: str = "127.0.0.1:8080", method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    got: list[Any] = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_HOST": host}
    body = b"".join(guard(environ, lambda *given: got.extend(given)))  # type: ignore[arg-type]
    return int(got[0][:3]), dict(got[1]), body


def guarded(host: str = "127.0.0.1", report: Path = Path("/nowhere")) -> Guard:
    def page(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"page"]

    return Guard(page, host=host, report=report)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]:80"])
def test_this_machine_is_let_in(host: str) -> None:
    status, headers, body = answered(guarded(), host=host)
    assert (status, body) == (200, b"page")
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("host", ["evil.example:8080", "127.0.0.1.evil.example", "", "10.0.0.1"])
def test_a_page_under_another_name_is_not(host: str) -> None:
    assert answered(guarded(), host=host)[0] == 403
    assert answered(guarded(), "/report", host=host)[0] == 403


def test_where_others_were_asked_in_they_may_use_any_name() -> None:
    assert answered(guarded("0.0.0.0"), host="cluster.example:8080")[0] == 200  # noqa: S104


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(method: str) -> None:
    status, _, body = answered(guarded(), "/api/studies/0", method=method)
    assert status == 405
    assert "only shows" in json.loads(body)["reason"]


def test_the_report_is_served_and_can_ask_for_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    guard = guarded(report=report)
    assert answered(guard, "/report")[0] == 404
    report.write_text("<title>ü</title>", "utf-8")
    status, headers, body = answered(guard, "/report")
    assert (status, body.decode()) == (200, "<title>ü</title>")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "connect-src" not in headers["Content-Security-Policy"]


def test_only_loopback_addresses_are_local() -> None:
    assert all(map(is_local, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_local, ("0.0.0.0", "::", "192.168.0.1", "example.org")))  # noqa: S104


def test_a_port_in_use_and_a_host_that_is_none_are_told() -> None:
    with listen("127.0.0.1", 0) as server:
        assert server.url == f"http://127.0.0.1:{server.server_port}/"
        with pytest.raises(UsageError, match=r"--port \d+: another program listens there"):
            listen("127.0.0.1", server.server_port)
    with pytest.raises(UsageError, match="cannot listen there"):
        listen("192.0.2.1", 0)
