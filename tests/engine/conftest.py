"""Machine code for the engine's tests: compiled once, whichever process comes first."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import agsam_tune
from agsam_tune.engine.compiled.rows import CompiledRows
from agsam_tune.engine.ways import pack_model
from tests.engine.problems import RECIPE, blobs


@contextmanager
def _alone() -> Iterator[None]:
    """Only one process at a time."""
    folder = os.open(Path(agsam_tune.__file__).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@pytest.fixture(scope="session")
def machine_code() -> None:
    """Compile what float32 trainings call, or wait for the process that is at it.

    It takes a quarter of a minute and is kept on disk, but two test processes that begin at
    once would both do it.
    """
    with _alone():
        cpu = torch.device("cpu")
        model = pack_model(blobs(), RECIPE, way="compiled", device=cpu, dtype=torch.float32)
        assert isinstance(model, CompiledRows)
        model.compile(torch.float32)
        w_KP, y_KB = torch.zeros(1, model.width), torch.zeros(1, 1, dtype=torch.int64)
        model.loss_and_gradient(w_KP, torch.zeros(1, 1, 5), y_KB, torch.zeros_like(w_KP))
