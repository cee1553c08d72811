"""Where a data set's files are, before anything is run; and fetching them ahead.

In: a data set's name. Out: a `Look`, or its files verified. Must not import torch, Ray, Optuna or
pandas.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agsam_tune.data.finding import cache_folder, data_folder, find_cached, find_given
from agsam_tune.data.load import load_images
from agsam_tune.data.published import DATASETS

__all__ = ["Look", "fetch_ahead", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look for a data set's files found; they are not read.

    Attributes:
        title: what people call the data set.
        folder: where the files lie, or would be downloaded to.
        found: whether they lie there.
        download_bytes: what a download would bring.
    """

    title: str
    folder: Path
    found: bool
    download_bytes: int


def look(name: str) -> Look:
    """Look for a data set's files where a run would.

    Raises:
        DataError: the data folder is none, or has some of the files only.
    """
    dataset, given, cache = DATASETS[name], data_folder(), cache_folder()
    found = (given and find_given(dataset, given)) or find_cached(dataset, cache)
    return Look(
        title=dataset.title,
        folder=found.folder if found else (given or cache) / dataset.folders[0],
        found=found is not None,
        download_bytes=dataset.download_bytes,
    )


def fetch_ahead(name: str) -> dict[str, Any]:
    """See that a data set's files lie in the data folder, without one in the cache; verify them.

    Returns:
        `LabelledImages.source`: what was found.

    Raises:
        DataError: they cannot be had, or are not what they should be; one line.
    """
    dataset, given = DATASETS[name], data_folder()
    if given is not None and find_given(dataset, given) is None:
        from agsam_tune.data.download import download

        download(dataset, given)
    return dict(load_images(name).source)
