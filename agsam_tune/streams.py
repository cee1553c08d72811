"""Random streams with names: a generator for each set of named coordinates.

In: coordinates such as (study seed, task, seed, stream). Out: a NumPy generator or an
integer seed that depends on them alone, never on a global generator, a loop index or the
order of calls. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np


def stream_seed(**coordinates: int | str) -> int:
    """An integer in [0, 2^128) that depends on the named coordinates alone.

    Coordinates are named, so their order does not matter and an added one changes the
    stream.
    """
    text = json.dumps(coordinates, sort_keys=True, separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big")


def stream(**coordinates: int | str) -> np.random.Generator:
    """A generator of its own for the named coordinates; see `stream_seed`."""
    return np.random.Generator(np.random.PCG64DXSM(stream_seed(**coordinates)))
