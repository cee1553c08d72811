"""What `--storage` may say, and where its password goes: to libpq, and nowhere else."""

import os
import sys
from pathlib import Path

import pytest

from agsam_tune.passwords import without_password
from agsam_tune.store import StorageError, local_file, storage_location

SECRET = "s3cr3t"  # noqa: S105


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PGPASSWORD", "before")
    monkeypatch.chdir(tmp_path)


def test_paths_become_absolute(tmp_path: Path) -> None:
    assert storage_location("a/x.journal") == str(tmp_path / "a/x.journal")
    assert storage_location("sqlite:///x.db") == f"sqlite:///{tmp_path}/x.db"
    assert storage_location("sqlite+pysqlite:////a/x.db?timeout=3") == "sqlite:////a/x.db?timeout=3"
    patient = "sqlite:////a/x.db?timeout=10000000"
    assert storage_location(storage_location(patient)) == patient
    assert local_file(storage_location("sqlite:///x.db")) == tmp_path / "x.db"
    assert local_file(storage_location("postgresql://u@h/d")) is None


@pytest.mark.parametrize(
    ("url", "location", "password"),
    [
        (f"postgresql://u:{SECRET}@h:5/d", "postgresql+psycopg://u@h:5/d", SECRET),
        ("postgresql+psycopg://u:a%40b@h/d", "postgresql+psycopg://u@h/d", "a@b"),
        (
            f"postgresql://u@h/d?password={SECRET}&sslmode=require",
            "postgresql+psycopg://u@h/d?sslmode=require",
            SECRET,
        ),
        ("postgresql:///d", "postgresql+psycopg:///d", "before"),
    ],
)
def test_a_password_goes_where_libpq_looks_for_it(url: str, location: str, password: str) -> None:
    assert storage_location(url) == location
    assert os.environ["PGPASSWORD"] == password


@pytest.mark.parametrize(
    "url",
    [
        *("://", "x://", "http://[::1", "foo://x", f"mysql://u:{SECRET}@h/d", "redis://h/0"),
        *(f"postgresql+psycopg2://u:{SECRET}@h/d", f"postgresql+asyncpg://u:{SECRET}@h/d"),
        *(f"postgresql://u:{SECRET}@h:port/d", f"postgresql://u:{SECRET}@{SECRET}@h/d"),
        *(f"postgresql://u:{SECRET}@h/d?sslpassword={SECRET}", "sqlite://", "sqlite:///:memory:"),
        *("sqlite:///file:x?mode=memory&uri=true", "sqlite+aiosqlite:///x.db", "sqlite://host/x"),
    ],
)
def test_everything_else_is_refused_in_one_line_without_the_password(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        storage_location(url)
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in text
    assert "supported are" in text or "%40" in text or "sslpassword" in text
    assert SECRET not in without_password(url)
    assert os.environ["PGPASSWORD"] == "before"


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match=r"pip install 'agsam-tune\[postgresql\]'"):
        storage_location("postgresql://u@h/d")


def test_what_people_see_has_no_password() -> None:
    assert without_password("a/b:c@d") == "a/b:c@d"
    assert without_password("sqlite:////a:b@c.db") == "sqlite:////a:b@c.db"
    assert without_password("postgresql://u:p@h/d") == "postgresql://u:…@h/d"
    assert without_password("postgresql://u:p/q@h/d") == "postgresql://u:…@h/d"
    assert without_password("postgresql://h/d?password=p&a=b") == "postgresql://h/d?password=…&a=b"
