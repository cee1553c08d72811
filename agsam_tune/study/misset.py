"""The phase `misset`: what is off at a point around an optimizer's own best, and by how much.

In: a study and a point's place. Out: the factor of each hyperparameter, which follows from the
study's seed alone. Must not import torch, Ray, Optuna or pandas.
"""

from dataclasses import dataclass

from agsam_tune.study.study import Study

__all__ = ["MISSET_FACTORS", "MISSET_LARGEST", "MissetKind", "misset_kind"]

#: The factors that one hyperparameter alone is multiplied by.
MISSET_FACTORS = (1 / 10, 1 / 3, 1 / 2, 2.0, 3.0, 10.0)

#: All together are off by log-uniform factors between its inverse and it.
MISSET_LARGEST = 10.0


@dataclass(frozen=True, slots=True)
class MissetKind:
    """What is off at a point of `misset`.

    Attributes:
        hyperparameter: the one that alone is off; None where all are.
        factor: what it is multiplied by; None where all are off.
    """

    hyperparameter: str | None = None
    factor: float | None = None


def misset_kind(study: Study, optimizer: str, replicate: int, index: int) -> MissetKind:
    """What is off at a point: at even indices all hyperparameters, at odd ones a single one.

    Which one and by what is drawn for all optimizers together: the first of the study's
    hyperparameters, in an order that is drawn, that the optimizer has.

    Args:
        study: a study with a phase `misset`.
        optimizer: one with hyperparameters.
        replicate: from 0.
        index: of the point in its replicate, from 0.
    """
    if index % 2 == 0:
        return MissetKind()
    from agsam_tune.streams import stream  # NumPy, which not every command needs

    drawn = stream(study_seed=study.seed, phase="misset", replicate=replicate, index=index)
    names = study.hyperparameters
    order = [names[i] for i in drawn.permutation(len(names))]
    factor = MISSET_FACTORS[drawn.integers(len(MISSET_FACTORS))]
    own = study.search_spaces[optimizer].names
    return MissetKind(next(name for name in order if name in own), factor)
