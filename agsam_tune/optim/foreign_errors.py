"""Errors of torch and of base optimizers that come of two passes, told apart from all others.

In: an error. Out: whether it is one of them, or one that names the cause and the way out. Must
not import anything of this package but the texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agsam_tune.optim.texts import UNSCALED


@contextmanager
def naming_unscaled(name: str) -> Iterator[None]:
    """Say why a gradient scaler refuses to unscale once more, and what to do instead."""
    try:
        yield
    except RuntimeError as error:
        if "unscale_() has already been called" in str(error):
            raise RuntimeError(UNSCALED.format(name=name)) from error
        raise


def wants_a_graph(error: RuntimeError) -> bool:
    """Whether a base optimizer has tried to differentiate gradients."""
    return any(
        said in str(error)
        for said in (
            "does not require grad and does not have a grad_fn",
            "has been modified by an inplace operation",
            "appears to not have been used in the graph",
        )
    )
