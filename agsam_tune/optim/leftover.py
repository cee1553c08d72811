"""Gradients that stand in .grad before a step: those that were left there, and those of others.

In: parameters between and during steps. Out: whether a gradient that somebody computed is lost.
Must not import anything of this package.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class Leftover:
    """What an optimizer has left in .grad, and has therefore been used.

    A gradient is known by the tensor and its version, which a backward pass that adds to it
    raises. Nothing is kept alive, and nothing is waited for on a GPU.
    """

    def __init__(self) -> None:
        self._known: list[tuple[weakref.ref[Tensor], int]] = []

    def note(self, parameters: Iterable[Tensor]) -> None:
        """All that stands in .grad now has been used."""
        self._known = [
            (weakref.ref(p.grad), p.grad._version) for p in parameters if p.grad is not None
        ]

    def of_others(self, parameters: Iterable[Tensor]) -> list[Tensor]:
        """The parameters whose gradients were put into .grad or changed since."""
        found = ((gradient(), version) for gradient, version in self._known)
        known = {id(gradient): version for gradient, version in found if gradient is not None}
        # None is no version: a tensor that is not known differs.
        return [
            parameter
            for parameter in parameters
            if (g := parameter.grad) is not None and known.get(id(g)) != g._version
        ]


class Discarded:
    """Gradients that a step discards before a closure, which may or may not zero them itself.

    One that does, as the usual one, loses nothing: they are no business of its own, such as what
    another optimizer's backward pass has left in a shared model. So a zero stands in for one of
    them; where it still stands when the closure's backward pass comes, nobody has zeroed it.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        """Of these parameters, which have gradients; of none, there is nothing to lose."""
        self._gradients = [p.grad for p in parameters]
        self._parameter = parameters[0] if parameters else None
        self._zero: Tensor | None = None
        self._stood: bool | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around the closure, after the gradients were discarded: the zero stands there."""
        if self._parameter is None:
            yield
            return
        self._parameter.grad = self._zero = torch.zeros_like(self._parameter)
        if not self._parameter.requires_grad:
            yield
            return
        # Before the first backward pass adds to it, which would look like a zeroing in place.
        hook = self._parameter.register_hook(self._look)  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            hook.remove()

    def are_lost(self) -> bool:
        """Whether they are, after the closure; leaves things as if nothing had stood in."""
        if self._parameter is not None and self._stands():
            self._parameter.grad = None  # No backward pass has added to it.
            self._stood = True
        return bool(self._stood) and any(
            _is_something(gradient) for gradient in self._gradients if gradient is not None
        )

    def _look(self, _: Tensor) -> None:
        if self._stood is None:
            self._stood = self._stands()

    def _stands(self) -> bool:
        """Whether nobody has zeroed or changed what stands in."""
        zero, parameter = self._zero, self._parameter
        if zero is None or parameter is None:
            return False
        return parameter.grad is zero and zero._version == 0


def _is_something(gradient: Tensor) -> bool:
    return gradient.layout is not torch.strided or bool(gradient.count_nonzero())
