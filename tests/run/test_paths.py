"""A path is a path: whatever a file or a folder is called, that one is read or written, and none
else. Every place that takes a path, with every kind of name."""

import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agsam_tune.cli.program import app
from agsam_tune.dashboard.source import Source
from agsam_tune.data.finding import VARIABLE, data_folder
from agsam_tune.errors import UsageError
from agsam_tune.export import run_table
from agsam_tune.folder import RunFolder
from agsam_tune.importing import ImportOptions, import_trials
from agsam_tune.paths import SQLiteFile, command_word, is_url
from agsam_tune.reporting import write_trials
from agsam_tune.run_storage import named_storage, storage_lock
from agsam_tune.showing import facts_of
from agsam_tune.store import ResultStore, StorageError
from tests.dashboard.runs import outcomes_of, small_study, write_run
from tests.run.commands import QUICK, TINY, tree

NAMES = [
    *("100%", "sweep%201", "exp#3", "q?x", "q?x=1", "a&b;c", " a b ", "ü漢🎲", ":memory:"),
    *("file:x", "{a}", "{SCHEMA_VERSION}", "[a-z]*", "-x", "~", "a'b\"c\\d", "$HOME", "a+b@c:d"),
    *("sqlite:", "x?timeout=9", "x\ny"),
]
# What a reader of URLs, templates or patterns would make of some of them.
DECOYS = ["100", "sweep 1", "exp", "q", "a", "x", "b", "c", "3.0.0"]
ALL = "-a%20#b?c&d;e f{g}[h]ü"
STUDY = small_study()
OUTCOMES = outcomes_of(STUDY)[:12]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trials as a run's folder, a table, a journal and an SQLite file."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "run").mkdir()
    write_run(folder / "run", STUDY, OUTCOMES)
    shutil.copy(folder / "run" / "study.journal", folder / "journal")
    with closing(ResultStore.open(STUDY, f"sqlite:///{folder / 'sqlite'}")) as store:
        store.add(OUTCOMES[:6])
    run_table(folder / "run", "trials").to_csv(folder / "csv", index=False)
    return folder


def sqlite_url(path: Path) -> str:
    """As a user writes it, who has to end options for a name that looks as if it had some."""
    return f"sqlite:///./{path}" + ("?timeout=5" if "=" in path.name else "")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_database", [False, True])
def test_a_storage_is_the_file_that_is_named(is_database: bool, name: str, tmp_path: Path) -> None:
    place = Path(name) / "x?y#%20" / name
    place.parent.mkdir(parents=True)
    before = tree(tmp_path)
    location = named_storage(sqlite_url(place) if is_database else f"./{place}")
    assert location is not None
    assert named_storage(location) == location
    folder = RunFolder(path=tmp_path / "run")
    with (
        storage_lock(folder, location),
        closing(ResultStore.open(STUDY, location)) as store,
    ):
        store.add(OUTCOMES[:2])
    made = {str(place), f"{place}.driver.lock"}
    assert set(tree(tmp_path)) - set(before) == made
    with closing(ResultStore.read(STUDY, location)) as store:
        assert sum(1 for _ in store.outcomes()) == 2
    assert set(tree(tmp_path)) - set(before) == made


@pytest.mark.parametrize("name", NAMES)
def test_an_import_reads_what_is_named_and_changes_nothing(
    name: str, sources: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / name
    theirs.mkdir()
    for decoy in DECOYS:
        (tmp_path / decoy).mkdir()
        (theirs / decoy).write_text("another")
    for kind in ("csv", "journal", "sqlite"):
        place = theirs / name
        shutil.copy(sources / kind, place)
        before, content = tree(theirs), place.read_bytes()
        named = f"./{name}/{name}"
        done = import_trials(ImportOptions(source=named, out=tmp_path / "out" / kind, chance=0.5))
        assert done.trials == (6 if kind == "sqlite" else len(OUTCOMES))
        assert tree(theirs) == before
        assert place.read_bytes() == content
    again = import_trials(
        ImportOptions(source=sqlite_url(Path(name) / name), out=tmp_path / "out/url", chance=0.5)
    )
    assert again.trials == 6


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_the_folder_that_is_named(name: str, sources: Path, tmp_path: Path) -> None:
    """What `show`, `report`, `export` and `dashboard` read of it."""
    folder = Path(name) / name
    shutil.copytree(sources / "run", folder)
    assert facts_of(folder).total.trials == len(OUTCOMES)
    write_trials(folder)
    assert len(run_table(folder, "trials")) == len(OUTCOMES)
    assert len(Source(folder).new()) == len(OUTCOMES)
    files = ("manifest.json", "study.journal", "trials.parquet")
    assert set(tree(tmp_path)) == {name, str(folder), *(f"{folder}/{file}" for file in files)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["./{}/no.csv", "sqlite:///./{}/no.db", "./{}/no.journal"])
def test_what_is_not_there_is_said_and_not_made(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    missing = text.replace("{}", name)
    with pytest.raises(UsageError, match=r"[Nn]o such file"):
        import_trials(ImportOptions(source=missing, out=tmp_path / "out"))
    location = named_storage(missing)
    assert location is not None
    with pytest.raises(StorageError, match="the results are gone"):
        ResultStore.read(STUDY, location)
    assert tree(tmp_path) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_the_data_folder_is_the_one_that_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setenv(VARIABLE, f"./{name}")
    assert data_folder() == Path(name)


def test_commands_take_such_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run`, `run DIR`, `--storage`, `--reuse`, `--data`, `--out`, `show` and `export`."""
    monkeypatch.setenv(VARIABLE, "")  # what --data sets is taken back
    here = tmp_path / ALL
    here.mkdir()
    shutil.copy(QUICK, here / f"{ALL}.toml")
    small = [f"--set=phases.{key}" for key in ("tune.points=4", "map.points=4", "misset.points=2")]
    whole = ["run", f"./{ALL}/{ALL}.toml", *TINY, *small, "--executor=inline", "--data", f"./{ALL}"]
    storage = f"sqlite:///{ALL}/x.db"
    said = called(*whole, "--out", f"./{ALL}/a", "--storage", storage)
    suggested = shlex.split(said.splitlines()[-1].partition("for a report: ")[2])
    assert suggested == ["agsam-tune", "report", f"./{ALL}/a"]
    assert "nothing is left" in called("run", f"./{ALL}/a", "--no-report", "--executor=inline")
    assert "; 0 left" in called(*whole, "--out", f"./{ALL}/b", "--reuse", f"./{ALL}/a")
    assert "finished" in called("show", f"./{ALL}/a")
    called("export", f"./{ALL}/a", "--out", f"./{ALL}/t.csv")
    assert tree(tmp_path) == sorted(
        [
            *(ALL, *(f"{ALL}/{name}" for name in ("a", "b", f"{ALL}.toml", "t.csv", "x.db"))),
            *(f"{ALL}/{run}/{file}" for run in "ab" for file in (".driver.lock", *_FILES)),
            *(f"{ALL}/b/study.journal", f"{ALL}/x.db.driver.lock"),
        ]
    )


_FILES = ("manifest.json", "trials.parquet")


def called(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_an_sqlite_file_is_opened_to_be_read(sources: Path, tmp_path: Path) -> None:
    """Also one with a write-ahead log, beside which SQLite itself would make two files."""
    for mode in ("delete", "wal"):
        path = tmp_path / f"{mode}?%20.db"
        shutil.copy(sources / "sqlite", path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode={mode}")
        before, content = tree(tmp_path), path.read_bytes()
        location = SQLiteFile(path=path).url
        with closing(SQLiteFile(path=path).connection(read_only=True)()) as connection:
            assert connection.execute("SELECT count(*) FROM trials").fetchone() == (6,)
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute("DELETE FROM trials")
        with closing(ResultStore.read(STUDY, location)) as store:
            assert sum(1 for _ in store.outcomes()) == 6
        assert tree(tmp_path) == before
        assert path.read_bytes() == content


def test_a_log_that_is_being_written_is_read_too(sources: Path, tmp_path: Path) -> None:
    """What a writer has put in the write-ahead log, and not yet in the file."""
    path = tmp_path / "x.db"
    shutil.copy(sources / "sqlite", path)
    file = SQLiteFile(path=path)
    with closing(file.connection(read_only=False)()) as writer:
        writer.execute("PRAGMA journal_mode=wal")
        writer.execute("CREATE TABLE more (x INTEGER)")
        writer.commit()
        with closing(file.connection(read_only=True)()) as reader:
            assert reader.execute("SELECT count(*) FROM more").fetchone() == (0,)


@pytest.mark.parametrize(("mode", "found"), [("delete", 6), ("wal", 7)])
def test_what_a_killed_writer_has_left_is_read_as_it_would_be_mended(
    sources: Path, tmp_path: Path, mode: str, found: int
) -> None:
    """A transaction that was cut off is not seen, one that was finished is; no file changes."""
    path, at_work = tmp_path / "x?.db", tmp_path / "at work"
    shutil.copy(sources / "sqlite", at_work)
    with closing(sqlite3.connect(at_work)) as writer:
        writer.execute(f"PRAGMA journal_mode={mode}")
        writer.execute("PRAGMA cache_size=1")  # so that changes reach the file at once
        if mode == "wal":
            writer.execute("INSERT INTO trials (number, state) VALUES (100, 'COMPLETE')")
            writer.commit()
        writer.execute("BEGIN")
        writer.execute("CREATE TABLE cut_off (x TEXT)")
        writer.executemany("INSERT INTO cut_off VALUES (?)", [("x" * 1000,)] * 100)
        writer.execute("UPDATE trials SET number = number + 1")
        for ending in ("", "-wal" if mode == "wal" else "-journal"):
            shutil.copy(f"{at_work}{ending}", f"{path}{ending}")
    files = {file: file.read_bytes() for file in tmp_path.glob("x*")}
    assert len(files) == 2
    with closing(SQLiteFile(path=path).connection(read_only=True)()) as connection:
        assert connection.execute("SELECT count(*) FROM trials").fetchone() == (found,)
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'cut_off'")
        assert tables.fetchone() == (0,)
    assert files == {file: file.read_bytes() for file in tmp_path.glob("x*")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x://y", True), ("sqlite:///x", True), ("://", True)]
    + [(text, False) for text in ("./x://y", "a b://c", "/x://y", "x:/y", "", "ü://x")],
)
def test_what_is_a_url(text: str, expected: bool) -> None:
    assert is_url(text) is expected


def test_a_path_in_a_command_is_typed_so_that_a_shell_takes_it() -> None:
    assert command_word("runs/a") == "runs/a"
    assert shlex.split(command_word(Path(ALL))) == [f"./{ALL}"]
