"""Where a data set's files lie: the user's data folder, then the cache folder.

In: a data set. Out: the paths of its files. Must not import anything heavy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from agsam_tune.data.published import Dataset, PublishedFile
from agsam_tune.data.reading import DataError
from agsam_tune.paths import named_path

VARIABLE = "AGSAM_TUNE_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A data set's files.

    Attributes:
        folder: where they lie.
        cached: whether that is the cache, where only published content belongs.
        paths: the path of each file, by its published name, in the published order.
    """

    folder: Path
    cached: bool
    paths: Mapping[str, Path]


def data_folder() -> Path | None:
    """The user's data folder: `--data`, or AGSAM_TUNE_DATA in the environment.

    Raises:
        DataError: it is no folder.
    """
    named = os.environ.get(VARIABLE)
    return existing_folder(named) if named else None


def existing_folder(named: str | Path) -> Path:
    """The data folder that was named, `~` being the user's home.

    Raises:
        DataError: it is no folder.
    """
    try:
        folder = named_path(str(named))
        if folder.is_dir():
            return folder
        what = "is no folder" if folder.exists() else "there is no such folder"
    except OSError as error:
        what = f"cannot be looked into: {error.strerror or error}"
    raise DataError(f"{named}: {what} (--data, {VARIABLE})")


def cache_folder() -> Path:
    """Where downloads are kept, as this system has it; XDG_CACHE_HOME moves it on Linux."""
    return platformdirs.user_cache_path("agsam-tune", appauthor=False)


def find_given(dataset: Dataset, folder: Path) -> Found | None:
    """The data set's files in a user's folder, or None where it has none of them.

    Raises:
        DataError: some of them are missing, or a folder cannot be looked into.
    """
    for place in dataset.folders:
        here = folder / place
        paths = _paths(dataset, here)
        if not paths:
            continue
        missing = _missing(dataset, paths)
        if missing:
            msg = f"{here}: has {_names(paths)}, but no {' or '.join(missing)}"
            raise DataError(msg)
        return Found(folder=here, cached=False, paths=paths)
    return None


def find_cached(dataset: Dataset, cache: Path) -> Found | None:
    """The data set's files in the cache, or None unless all that are published are there."""
    here = cache / dataset.folders[0]
    paths = _paths(dataset, here)
    if len(paths) < len(dataset.files):
        return None
    return Found(folder=here, cached=True, paths=paths)


def spellings(file: PublishedFile) -> tuple[str, ...]:
    """The names that a file may have, the published one first."""
    if file.kind == "records":
        return (file.name,)
    other = file.name.replace("-idx", ".idx")
    return (file.name, f"{file.name}.gz", other, f"{other}.gz")


def usual_name(file: PublishedFile) -> str:
    """The name that a file is downloaded under."""
    return file.name if file.kind == "records" else f"{file.name}.gz"


def _paths(dataset: Dataset, here: Path) -> dict[str, Path]:
    """The files that are there, by published name."""
    try:
        if not here.is_dir():
            return {}
        names = {path.name for path in here.iterdir()}
        found = {}
        for file in dataset.files:
            candidates = [here / name for name in spellings(file) if name in names]
            if candidates:  # a file before, say, a folder of the same name that it was unpacked to
                found[file.name] = next((p for p in candidates if p.is_file()), candidates[0])
    except OSError as error:
        raise DataError(f"{here}: cannot be looked into: {error.strerror or error}") from error
    return found


def _missing(dataset: Dataset, paths: Mapping[str, Path]) -> list[str]:
    """Published names that the folder lacks and cannot do without."""
    needed = []
    for part in ("train", "test"):
        files = [f for f in dataset.files if f.part == part]
        lacking = [f.name for f in files if f.name not in paths]
        if lacking and (not dataset.optional or len(lacking) == len(files)):
            needed += lacking
    return needed


def _names(paths: Mapping[str, Path]) -> str:
    return ", ".join(path.name for path in paths.values())
