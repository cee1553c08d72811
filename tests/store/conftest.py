"""Every kind of storage, a PostgreSQL server among them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.store.servers import PostgreSQL

KINDS = ("journal", "sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL.started() as server:
        yield server


@pytest.fixture
def new_location(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Where nothing is yet, by the kind of storage."""

    def location(kind: str) -> str:
        if kind == "postgresql":
            server: PostgreSQL = request.getfixturevalue("postgresql")
            return server.new_database()
        file = tmp_path / "results"
        return f"sqlite:///{file}.db" if kind == "sqlite" else f"{file}.journal"

    return location


@pytest.fixture(params=KINDS)
def location(request: pytest.FixtureRequest, new_location: Callable[[str], str]) -> str:
    return new_location(request.param)
