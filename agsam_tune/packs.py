"""Packs: trials of the same shape, grouped to be trained together.

In: trials. Out: packs. Which trials share a pack changes no result, only the speed. Must
not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from agsam_tune.trials import Pack, Trial

# Where a pack of the paper's MLP is fastest: more rows leave the cache, fewer pay more for
# each call (`agsam-tune` on moons, rows of 16 … 128).
AUTO_ROWS = 64


def make_packs(trials: Iterable[Trial], rows: int | str) -> list[Pack]:
    """Packs of at most `rows` trials, by phase, replicate, optimizer.

    A pack holds trials of one phase and one optimizer, so that all have the same number of
    steps, and as many as it may, of several replicates where need be. Packs of earlier
    replicates come first, all optimizers together, so that a phase's replicates are finished in
    order.

    Args:
        trials: in any order; in a pack and from pack to pack they follow their replicates.
        rows: the largest pack, or "auto".
    """
    limit = AUTO_ROWS if isinstance(rows, str) else rows
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.phase, trial.optimizer), []).append(trial)
    packs = [
        Pack(trials=tuple(members[start : start + limit]))
        for group in groups.values()
        for members in [sorted(group, key=lambda trial: trial.replicate)]
        for start in range(0, len(members), limit)
    ]
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


def _even_parts(block: list[Trial], limit: int) -> list[list[Trial]]:
    count = -(-len(block) // limit)
    bounds = [round(i * len(block) / count) for i in range(count + 1)]
    return [block[a:b] for a, b in pairwise(bounds)]
