"""The points of the phase `misset`: which settings around the own best there are.

In: the hyperparameters of a study. Out: numbered points, each with what is mis-set and by which
factor. The factors of the all-together draws are drawn elsewhere. Must import nothing but the
standard library.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "MISSET_DRAWS",
    "MISSET_FACTORS",
    "MISSET_MAXIMA",
    "MissetPoint",
    "misset_layout",
]

#: The factors that each hyperparameter alone is multiplied by.
MISSET_FACTORS = (1 / 10, 1 / 3, 1 / 2, 2.0, 3.0, 10.0)

#: All together are off by up to one of these: log-uniform factors from 1/maximum to maximum.
MISSET_MAXIMA = (2.0, 3.0, 10.0)

#: All-together draws for each maximum.
MISSET_DRAWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MissetPoint:
    """One point of `misset`.

    Attributes:
        point: its number, which is the same for all optimizers of a study.
        kind: "best" (the own best itself), the hyperparameter that alone is off, or "all".
        factor: what that hyperparameter is multiplied by; for "all" the largest factor, 2, 3
            or 10; None for "best".
        draw: for "all" which of the draws with that largest factor, from 0; otherwise None.
    """

    point: int
    kind: str
    factor: float | None
    draw: int | None


def misset_layout(hyperparameters: Sequence[str]) -> tuple[MissetPoint, ...]:
    """All points of `misset`, in order of their numbers.

    Point 0 is the own best; 1 + 6 i + j is the i-th hyperparameter times the j-th of
    `MISSET_FACTORS`; then come the all-together draws, four for each of `MISSET_MAXIMA`. An
    optimizer without the i-th hyperparameter has no trials at its points, so that a number means
    the same factors for every optimizer.

    Args:
        hyperparameters: `Study.hyperparameters`, the union over all optimizers.

    Returns:
        1 + 6 n + 12 points for n hyperparameters; none at all where there are none to mis-set.
    """
    if not hyperparameters:
        return ()
    settings: list[tuple[str, float | None, int | None]] = [("best", None, None)]
    settings += [(name, factor, None) for name in hyperparameters for factor in MISSET_FACTORS]
    settings += [("all", top, draw) for top in MISSET_MAXIMA for draw in range(MISSET_DRAWS)]
    return tuple(
        MissetPoint(point=point, kind=kind, factor=factor, draw=draw)
        for point, (kind, factor, draw) in enumerate(settings)
    )
