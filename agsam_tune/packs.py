"""Packs: trials of the same shape, grouped to be trained together.

In: trials. Out: packs. Which trials share a pack changes no result, only the speed. Must
not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, pairwise

from agsam_tune.trials import Pack, Trial

# Where a pack of the paper's MLP is fastest: more rows leave the cache, fewer pay more for
# each call (`agsam-tune` on moons, rows of 16 … 128).
AUTO_ROWS = 64


def make_packs(trials: Iterable[Trial], rows: int | str) -> list[Pack]:
    """Packs of at most `rows` trials, by phase, replicate, optimizer.

    A pack holds trials of one phase and one optimizer, so that all have the same number of
    steps, and whole replicates where it can: packs follow the replicates, all optimizers
    together, and what is finished early is a balanced design of its own.

    Args:
        trials: in any order; they keep it within a pack.
        rows: the largest pack, or "auto".
    """
    limit = AUTO_ROWS if isinstance(rows, str) else rows
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.phase, trial.optimizer), []).append(trial)
    packs = [pack for group in groups.values() for pack in _cut(group, limit)]
    phases = list(dict.fromkeys(phase for phase, _ in groups))
    return sorted(packs, key=lambda pack: (phases.index(pack.phase), pack.replicate))


def smaller(pack: Pack, rows: int) -> list[Pack]:
    """A pack in even parts of at most so many trials."""
    return [Pack(trials=tuple(part)) for part in _even_parts(list(pack.trials), rows)]


def halves(pack: Pack) -> tuple[Pack, Pack]:
    """The two halves of a pack of two trials or more."""
    middle = -(-len(pack.trials) // 2)
    return Pack(trials=pack.trials[:middle]), Pack(trials=pack.trials[middle:])


def alone(pack: Pack) -> list[Pack]:
    """Each of the pack's trials as a pack of its own."""
    return [Pack(trials=(trial,)) for trial in pack.trials]


def _cut(trials: list[Trial], limit: int) -> list[Pack]:
    """Whole replicates together while they fit; a larger one in even parts."""
    packs: list[list[Trial]] = []
    for _, members in groupby(trials, key=lambda trial: trial.replicate):
        block = list(members)
        if packs and len(packs[-1]) + len(block) <= limit:
            packs[-1].extend(block)
        else:
            packs.extend(_even_parts(block, limit))
    return [Pack(trials=tuple(pack)) for pack in packs]


def _even_parts(block: list[Trial], limit: int) -> list[list[Trial]]:
    count = -(-len(block) // limit)
    bounds = [round(i * len(block) / count) for i in range(count + 1)]
    return [block[a:b] for a, b in pairwise(bounds)]
