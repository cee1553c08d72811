"""Databases that are locked, gone, full or taken over while a driver writes to them."""

import os
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agsam_tune.store import ResultStore, StorageError, StorageTakenError, databases, faults
from agsam_tune.store.faults import StorageAwayError
from tests.store.outcomes import STUDY, outcome, points
from tests.store.servers import PostgreSQL
from tests.store.writers import Writer

SECOND = "agsam-tune 4242 2026-01-01T00:00:00Z elsewhere"


@contextmanager
def opened(location: str, **options: Any) -> Iterator[ResultStore]:
    with closing(ResultStore.open(STUDY, location, **options)) as store:
        yield store


def stored(location: str) -> list[str]:
    with closing(ResultStore.read(STUDY, location)) as store:
        return list(map(repr, store.outcomes()))


def first(number: int) -> list[str]:
    return list(map(repr, points("gsam", range(number))))


@contextmanager
def locked(file: Path) -> Iterator[sqlite3.Connection]:
    """An SQLite file that somebody else has, until a rollback."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other
        if other.in_transaction:
            other.rollback()


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[float]]:
    """Lets something happen in each pause of the waiting, which take no time; their lengths."""

    def register(event: Callable[[], object]) -> list[float]:
        pauses: list[float] = []

        def pause(seconds: float, interrupted: object) -> None:
            pauses.append(seconds)
            event()

        monkeypatch.setattr(faults, "_sleep", pause)
        return pauses

    return register


Meanwhile = Callable[[Callable[[], object]], list[float]]


def test_a_locked_sqlite_file_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, meanwhile: Meanwhile
) -> None:
    location = f"sqlite:///{tmp_path / 'x.db'}?timeout=0.02"
    with opened(location) as store:
        store.add(points("gsam", range(2)))
        with locked(tmp_path / "x.db") as other:
            pauses = meanwhile(lambda: len(pauses) == 3 and other.rollback())
            store.add(points("gsam", range(2, 4)))
    assert pauses == [0.25, 0.5, 1.0]
    said = [r.getMessage() for r in caplog.records if r.name.startswith("agsam_tune")]
    assert len(said) == 2
    assert "away (database is locked): waiting up to 120 s" in said[0]
    assert "back after" in said[1]
    assert stored(location) == first(4)


def test_a_file_that_stays_locked_ends_the_run_with_all_that_was_stored(
    tmp_path: Path, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = f"sqlite:///{tmp_path / 'x.db'}?timeout=0.02"
    with opened(location, patience=20) as store:
        store.add(points("gsam", range(2)))
        began, pauses = time.monotonic(), meanwhile(lambda: None)
        # A clock that the pauses move.
        monkeypatch.setattr(time, "monotonic", lambda: began + sum(pauses))
        with (
            locked(tmp_path / "x.db"),
            pytest.raises(StorageError, match=r"away for 20 s.*database is locked; all that was"),
        ):
            store.add(points("gsam", range(2, 4)))
        assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
        assert stored(location) == first(2)
        store.add(points("gsam", range(2, 4)))  # as the same command does
    assert stored(location) == first(4)


def test_a_postgresql_server_that_is_gone_is_waited_for(
    postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture, meanwhile: Meanwhile
) -> None:
    location = postgresql.new_database()
    with opened(location) as store:
        store.add(points("gsam", range(2)))
        postgresql.stop()
        pauses = meanwhile(lambda: len(pauses) == 2 and postgresql.start())
        store.add(points("gsam", range(2, 4)))
        assert stored(location) == first(4)
    said = [r.getMessage() for r in caplog.records if r.name.startswith("agsam_tune")]
    assert len(said) == 2
    assert "away (" in said[0]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    kind: str, new_location: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    location = new_location(kind)
    lost = []
    with opened(location) as store:
        engine: Any = store._storage.engine  # type: ignore[attr-defined]
        commit = engine.dialect.do_commit

        def commit_unheard(connection: Any) -> None:
            commit(connection)
            if len(lost) == 0:
                lost.append(1)
                if kind == "postgresql":
                    driver = connection.dbapi_connection
                    driver.close()
                    driver.execute("SELECT 1")
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error

        monkeypatch.setattr(engine.dialect, "do_commit", commit_unheard)
        store.add(points("gsam", range(3)))
        assert lost
        trials = store._optuna["gsam"].get_trials(deepcopy=False)
        assert [trial.user_attrs["point"] for trial in trials] == [0, 1, 2]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """The tests themselves may run in the background, where a shell has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("place", ["in an attempt", "between two"])
def test_an_interrupt_ends_the_waiting(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = f"sqlite:///{tmp_path / 'x.db'}?timeout=0.02"
    calls: list[object] = []

    def interrupting(original: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            calls.append(arguments)
            if len(calls) == 1:
                signal.raise_signal(signal.SIGINT)
            original(*arguments)

        return call

    with opened(location) as store, locked(tmp_path / "x.db"):
        if place == "in an attempt":
            monkeypatch.setattr(store, "_add", interrupting(store._add))
        else:
            monkeypatch.setattr(time, "sleep", interrupting(time.sleep))
        with pytest.raises(KeyboardInterrupt):
            store.add([outcome()])
    assert len(calls) == 1  # of the two minutes that it would wait


class _InterruptingError(StorageAwayError):
    """Interrupts as it is destroyed, where Python drops what is raised."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_not_lost_as_a_failed_write_is_cleared_away(tmp_path: Path) -> None:
    tries = []

    def fail(*_: object) -> None:
        tries.append(1)
        raise _InterruptingError("away")

    with opened(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store._add = fail  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            store.add([outcome()])
    assert len(tries) == 1


def test_a_second_driver_on_postgresql_is_told_who_the_first_is(postgresql: PostgreSQL) -> None:
    location = postgresql.new_database()
    with Writer.running(location) as writer:
        writer.wait_for(1)
        words = rf"another driver runs this study \(process {writer.process.pid} on .*, since 20"
        with pytest.raises(StorageTakenError, match=words):
            ResultStore.open(STUDY, location)
        assert len(stored(location)) >= 1  # reading takes no lock
    with opened(location):  # it died with its owner
        pass


def test_whoever_took_over_while_the_server_was_away_keeps_the_study(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = postgresql.new_database()
    with opened(location) as store:
        store.add(points("gsam", range(1)))
        _cut(postgresql, location)
        monkeypatch.setattr(databases, "_own_name", lambda: SECOND)
        with opened(location) as second:
            with pytest.raises(StorageTakenError, match="process 4242 on elsewhere, since 2026"):
                store.add([outcome(point=7)])
            second.add(points("gsam", range(1, 2)))
        assert stored(location) == first(2)


def test_the_lock_of_a_connection_that_was_cut_is_waited_for(
    postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture, meanwhile: Meanwhile
) -> None:
    location = postgresql.new_database()
    with opened(location) as store:
        store.add(points("gsam", range(1)))
        name = _cut(postgresql, location)
        with postgresql.connect(_database(location)) as half_dead:
            half_dead.execute("SELECT set_config('application_name', %s, false)", (name,))
            held = half_dead.execute(
                "SELECT pg_try_advisory_lock(%s)", (databases.lock_key(STUDY.name),)
            ).fetchone()
            assert held == (True,)
            pauses = meanwhile(lambda: len(pauses) == 2 and half_dead.close())
            store.add(points("gsam", range(1, 3)))
    assert "has not noticed yet" in caplog.text
    assert stored(location) == first(3)


def _database(location: str) -> str:
    return location.partition("@/")[2].partition("?")[0]


def _cut(server: PostgreSQL, location: str) -> str:
    """End the driver's connection, as a broken network would; returns its name."""
    driver = "FROM pg_stat_activity WHERE datname = %s AND application_name LIKE 'agsam-tune _%%'"
    with server.connect() as admin:
        row = admin.execute(f"SELECT pid, application_name {driver}", (_database(location),))
        pid, name = row.fetchone() or (0, "")
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    return str(name)


def test_a_full_server_ends_the_run_at_once(postgresql: PostgreSQL, meanwhile: Meanwhile) -> None:
    location = postgresql.new_database()
    with opened(location) as store:
        store.add(points("gsam", range(1)))
        with postgresql.connect(_database(location)) as admin:
            admin.execute(
                "CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION "
                "'could not extend file: No space left on device' USING ERRCODE = '53100'; "
                "END $$ LANGUAGE plpgsql"
            )
            admin.execute(
                "CREATE TRIGGER full_disk BEFORE INSERT ON trial_values "
                "EXECUTE FUNCTION full_disk()"
            )
            pauses = meanwhile(lambda: None)
            with pytest.raises(StorageError, match="No space left on device; all that was stored"):
                store.add(points("gsam", range(1, 2)))
            assert pauses == []
            admin.execute("DROP FUNCTION full_disk CASCADE")
        assert stored(location) == first(1)
        store.add(points("gsam", range(1, 3)))
    assert stored(location) == first(3)


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
@pytest.mark.parametrize("spare", [3_000, 20_000])
def test_a_full_disk_tears_nothing(
    kind: str, spare: int, new_location: Callable[[str], str]
) -> None:
    location = new_location(kind)
    writer = Writer(location, spare=spare)
    said = writer.refusal()
    assert "cannot be written to" in said
    assert "the same command carries on" in said
    assert stored(location) == first(writer.stored)
    with opened(location) as store:  # there is space again
        store.add(points("gsam", range(writer.stored, writer.stored + 3)))
    assert stored(location) == first(writer.stored + 3)


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_folder_that_becomes_read_only_ends_the_run(kind: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="agsam-ro-", dir="/tmp"))
    folder.chmod(0o777)
    file = folder / "results"
    location = f"sqlite:///{file}" if kind == "sqlite" else str(file)
    writer = Writer(location, nobody=True)
    try:
        writer.wait_for(2)
        folder.chmod(0o555)
        file.chmod(0o444)
        assert "cannot be written to" in writer.refusal()
        folder.chmod(0o777)
        file.chmod(0o666)
        found = stored(location)
        assert writer.stored <= len(found) <= writer.stored + 1  # the last may be in, unconfirmed
        assert found == first(len(found))
        with opened(location) as store:
            store.add(points("gsam", range(len(found), len(found) + 2)))
        assert stored(location) == first(len(found) + 2)
    finally:
        writer.kill()
        shutil.rmtree(folder)
