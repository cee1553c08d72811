"""A study that another program trains, played through with made-up results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import agsam_tune
from agsam_tune.study import Study


def trained(rows: pd.DataFrame) -> pd.DataFrame:
    """Made-up results that say which setting they are of, and some that diverged."""
    named = [f"{row.optimizer}{row.point}{row.seed}{row.phase}" for row in rows.itertuples()]
    noise = np.array([np.random.default_rng(list(name.encode())).random() for name in named])
    rho = rows["rho"].fillna(0) if "rho" in rows else np.zeros(len(rows))
    # Steps that are too long do harm, so that the lengths of `radius` can be found.
    score = np.round(0.9 - 0.1 * noise - 0.3 * np.clip(rho - 1, 0, 1), 4)
    return rows.assign(
        val_accuracy=score,
        test_accuracy=np.where(noise > 0.95, np.nan, score),
        diverged=noise > 0.95,
        radius=rho / 3,
    )


def rounds(study: Study | Path | str) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """(asked, all results so far) until nothing is asked."""
    done = pd.DataFrame()
    while len(asked := agsam_tune.next_trials(study, done, chance=0.5)):
        done = pd.concat([done, trained(asked)], ignore_index=True)
        yield asked, done


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Equal JSON, numbers to 1e-12."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{place}]")
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=1e-12, abs=1e-12), where
    else:
        assert one == other, where
