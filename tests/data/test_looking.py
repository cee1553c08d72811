"""`agsam-tune data`: where files are, and fetching them ahead, from a server of the test's own."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
from typer.testing import CliRunner, Result

from agsam_tune.cli import app
from agsam_tune.data import load, looking
from agsam_tune.data.published import DATASETS
from agsam_tune.listing import data_sets
from tests.data.files import TEST, TRAIN, idx_files, published, write
from tests.data.server import Server, serving

FILES = idx_files()
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """One that has the files of MNIST, and no other's."""
    with serving() as server:
        server.files = dict(PACKED)
        mnist = published("mnist", FILES, {"train": TRAIN, "test": TEST}, server.url)
        known = MappingProxyType({**DATASETS, "mnist": mnist})
        monkeypatch.setattr(load, "DATASETS", known)
        monkeypatch.setattr(looking, "DATASETS", known)
        yield server


def data(*arguments: str | Path) -> Result:
    # The command hands its folder on in the environment; what it was before comes back.
    words = ["data", *map(str, arguments)]
    return CliRunner().invoke(app, words, env={"AGSAM_TUNE_DATA": None})


def test_it_says_where_files_are_and_how_large_a_download_is(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "mine" / "mnist", FILES)
    done = data("--data", tmp_path / "mine")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[0] == f"mnist, paper_mnist: {tmp_path}/mine/mnist: found"
    assert f"cifar10: {tmp_path}/mine/cifar-10-batches-bin: not there; 170 MB to download" in lines
    assert "--fetch" in lines[-1]
    assert data("paper_mnist").output.startswith(f"paper_mnist: {cache}/mnist: not there; 12 MB")
    assert not cache.exists()


def test_files_are_fetched_ahead_into_the_cache(cache: Path, server: Server) -> None:
    done = data("mnist", "--fetch")
    assert done.exit_code == 0, done.output
    expected = f"mnist: {cache}/mnist: verified, {TRAIN} and {TEST} images, as published\n"
    assert done.output == expected
    assert len(server.requests) == len(FILES)
    assert data("mnist", "--fetch").output == expected
    assert data("mnist").output == f"mnist: {cache}/mnist: found\n"
    assert len(server.requests) == len(FILES)


def test_files_are_fetched_into_the_folder_that_is_named(
    tmp_path: Path, cache: Path, server: Server
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    done = data("mnist", "--fetch", "--data", folder)
    assert done.exit_code == 0, done.output
    assert {path.name for path in (folder / "mnist").iterdir()} == set(PACKED)
    assert not cache.exists()
    server.files.clear()
    assert data("mnist", "--fetch", "--data", folder).exit_code == 0


def test_what_cannot_be_had_is_said_after_the_rest(cache: Path, server: Server) -> None:
    done = data("fashion_mnist", "mnist", "--fetch")
    assert done.exit_code == 2
    assert f"mnist: {cache}/mnist: verified" in done.output
    assert "fashion_mnist: Fashion-MNIST was not found in" in done.output
    server.files["train-images-idx3-ubyte.gz"] = gzip.compress(b"something else")
    for path in (cache / "mnist").glob("train-images*"):
        path.unlink()
    spoilt = data("mnist", "--fetch")
    assert spoilt.exit_code == 2
    assert "not the published file" in spoilt.output


def test_wrong_words() -> None:
    done = data("mnits")
    assert done.exit_code == 2
    assert "did you mean 'mnist'?" in done.output
    assert data("moons").output == "moons: needs no files that are looked for\n"
    assert data("--data", "nowhere").exit_code == 2


def test_each_task_with_files_names_a_data_set() -> None:
    assert set(data_sets().values()) == set(DATASETS)
    assert all(one.download_bytes > 1_000_000 for one in DATASETS.values())
