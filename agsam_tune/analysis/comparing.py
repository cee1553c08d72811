"""The pair's comparisons as rows of the record, and how many replicates they would need.

In: the judgement of the pair. Out: rows. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import math

from agsam_tune.analysis.data import Data
from agsam_tune.analysis.lenses.estimates import Interval
from agsam_tune.analysis.lenses.pair import FAIR, Judgement
from agsam_tune.analysis.lenses.pair import Comparison as LensComparison
from agsam_tune.analysis.needed import Spread, level_of_looks, replicates_needed, sizes_after
from agsam_tune.analysis.pairing import largest
from agsam_tune.analysis.quantities import finite
from agsam_tune.analysis.record import Comparison, Needed
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict, lens_verdict

__all__ = ["needed_rows", "verdict_rows"]


def verdict_rows(data: Data, judgement: Judgement) -> list[Comparison]:
    """Score and regret of each lens, with the lens's verdict."""
    study = data.study
    pair = (str(study.candidate), str(study.baseline))
    nothing = Interval(low=math.nan, high=math.nan)
    rows = []
    for row in judgement.comparisons:
        interval, judged = row.interval or nothing, row.verdict_interval or nothing
        rows.append(
            Comparison(
                lens=row.lens.value,
                metric=row.metric,
                candidate=pair[0],
                baseline=pair[1],
                estimate=finite(row.estimate),
                low=finite(interval.low),
                high=finite(interval.high),
                verdict_low=finite(judged.low),
                verdict_high=finite(judged.high),
                verdict=row.verdict.value,
                margin=row.margin,
                reason=row.reason,
                replicates=0 if row.estimate is None else _replicates(data, pair),
            )
        )
    return rows


def needed_rows(data: Data, judgement: Judgement) -> list[Needed]:
    """For each fair lens whose intervals are too wide for a verdict: what would decide it."""
    if not data.facts.complete:
        return []
    rows = {(row.lens, row.metric): row for row in judgement.comparisons}
    replicates = _replicates(data, (str(data.study.candidate), str(data.study.baseline)))
    alpha = (1 - data.study.analysis.confidence) / max(judgement.lenses, 1)
    level = level_of_looks(data.facts.looks, largest(data), alpha)
    found = []
    for lens in FAIR:
        score, regret = (rows[lens, metric] for metric in ("score", "regret"))
        ours, theirs, margin = score.verdict_interval, regret.verdict_interval, score.margin
        if ours is None or theirs is None or margin is None:
            continue
        if lens_verdict(ours, theirs, margin) is not LensVerdict.UNDECIDED:
            continue
        spreads = [_spread(row, replicates) for row in (score, regret)]
        known = all(math.isfinite(one.deviation) for one in spreads)
        sizes = sizes_after(replicates) if known else ()
        found.append(
            Needed(
                lens=lens.value,
                replicates=replicates_needed(*spreads, margin=margin, level=level, sizes=sizes),
                half_width=finite(max(ours.high - ours.low, theirs.high - theirs.low) / 2),
                margin=margin,
            )
        )
    return found


def _spread(row: LensComparison, replicates: int) -> Spread:
    error = math.nan if row.standard_error is None else row.standard_error
    return Spread(difference=row.estimate or 0.0, deviation=error * math.sqrt(replicates))


def _replicates(data: Data, pair: tuple[str, str]) -> int:
    return min(data.replicates[name] for name in pair)
