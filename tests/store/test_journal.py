"""A journal that was cut, zeroed, overwritten or replaced: mended, or refused by its line."""

import json
import random
from pathlib import Path

import pytest

from agsam_tune.store import ResultStore, StorageError
from agsam_tune.store.journal import mend_journal
from tests.store.outcomes import STUDY, bare, outcome, points


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with three trials."""
    path = tmp_path / "study.journal"
    ResultStore.open(STUDY, str(path)).add(points("gsam", range(3)))
    return path


def check_goes_on(path: Path, kept: int) -> None:
    store = ResultStore.open(STUDY, str(path))
    assert list(store.outcomes()) == list(map(bare, points("gsam", range(kept))))
    store.add(points("gsam", range(kept, 4)))
    assert all(json.loads(line) for line in path.read_text().splitlines())
    assert list(ResultStore.read(STUDY, str(path)).outcomes()) == points("gsam", range(4))


def test_cut_anywhere_it_opens_and_goes_on(journal: Path) -> None:
    whole = journal.read_bytes()
    start = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    rng = random.Random(0)
    for cut in [start + 1, len(whole) - 1, *(rng.randrange(start, len(whole)) for _ in range(8))]:
        journal.write_bytes(whole[:cut])
        check_goes_on(journal, 2)


@pytest.mark.parametrize("zeros", [1, 4096, 200_000])
def test_zeros_that_a_power_cut_left_at_the_end_are_cut(journal: Path, zeros: int) -> None:
    whole = journal.read_bytes()
    journal.write_bytes(whole + bytes(zeros))
    check_goes_on(journal, 3)
    journal.write_bytes(whole[:-200] + bytes(zeros))
    check_goes_on(journal, 2)
    journal.write_bytes(whole[:-200] + bytes(100) + whole[-100:])  # a block within the last line
    check_goes_on(journal, 2)


@pytest.mark.parametrize("left", [b"", b"\0" * 100, b'{"op', b'{"op_code":0,"wor'])
def test_a_beginning_that_was_torn_is_begun_again(journal: Path, left: bytes) -> None:
    journal.write_bytes(left)
    check_goes_on(journal, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b"",
        b"\0\0\0\0",
        b"\xff\xfe",
        b"[]",
        b"17",
        b'{"op_code":99,"worker_id":"x"}',
        b'{"op_code":4,"worker_id":"x"}',
        b'{"op_code":"4"}',
        b"{}",
    ],
)
def test_a_broken_line_in_the_middle_is_refused_by_its_number(journal: Path, line: bytes) -> None:
    lines = journal.read_bytes().splitlines()
    lines[-2] = line
    broken = b"\n".join(lines) + b"\n"
    journal.write_bytes(broken)
    for use in (ResultStore.open, ResultStore.read):
        with pytest.raises(StorageError, match=rf"^line {len(lines) - 1} of the journal is broken"):
            use(STUDY, str(journal))
    assert journal.read_bytes() == broken


@pytest.mark.parametrize(
    "content", [b"my thesis", b"PK\3\4", b"[1]\n", b'{"op_cod3":1}\n', b"\n\n"]
)
def test_a_file_of_somebody_elses_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thesis"
    path.write_bytes(content)
    for use in (ResultStore.open, ResultStore.read):
        with pytest.raises(StorageError, match="something else than a journal"):
            use(STUDY, str(path))
    with pytest.raises(StorageError):
        mend_journal(str(path))
    with pytest.raises(StorageError):
        ResultStore.check(str(path))
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_database_that_is_named_as_a_journal_is_told_how(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    ResultStore.open(STUDY, f"sqlite:///{path}").close()
    with pytest.raises(StorageError, match=rf"name it sqlite:///{path}"):
        ResultStore.open(STUDY, str(path))
    with pytest.raises(StorageError, match="something else than an SQLite database"):
        ResultStore.check(f"sqlite:///{__file__}")


def test_a_journal_that_vanishes_or_is_replaced_is_not_begun_anew(journal: Path) -> None:
    store = ResultStore.open(STUDY, str(journal))
    kept = journal.rename(journal.with_name("kept"))
    with pytest.raises(StorageError, match="cannot be written to: No such file"):
        store.add([outcome(point=7)])
    assert not journal.exists()
    journal.write_bytes(kept.read_bytes())
    with pytest.raises(StorageError, match="replaced by another file"):
        store.add([outcome(point=7)])
    assert journal.read_bytes() == kept.read_bytes()


def test_a_lock_left_by_a_killed_writer_does_not_block_for_long(
    journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = ResultStore.open(STUDY, str(journal))
    Path(f"{journal}.lock").symlink_to(journal)
    store.add(points("gsam", range(3, 4)))
    assert "Forcibly releasing the lock file" in caplog.text
    assert list(store.outcomes()) == list(map(bare, points("gsam", range(4))))
