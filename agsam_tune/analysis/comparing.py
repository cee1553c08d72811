"""The pair's comparisons as rows of the record, and how many replicates they would need.

In: the judgement of the pair. Out: rows. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import math

from agsam_tune.analysis.data import Data
from agsam_tune.analysis.lenses.estimates import Interval
from agsam_tune.analysis.lenses.pair import FAIR, Judgement
from agsam_tune.analysis.needed import Spread, level_of_looks, replicates_needed, sizes_after
from agsam_tune.analysis.pairing import largest
from agsam_tune.analysis.quantities import finite
from agsam_tune.analysis.record import Comparison, Needed
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict

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
    """For each fair lens with numbers and no verdict: what would decide it."""
    rows = {(row.lens, row.metric): row for row in judgement.comparisons}
    replicates = min(
        data.replicates[str(data.study.candidate)], data.replicates[str(data.study.baseline)]
    )
    alpha = (1 - data.study.analysis.confidence) / max(judgement.lenses, 1)
    level = level_of_looks(data.facts.looks, largest(data), alpha)
    found = []
    for lens in FAIR:
        pair = [rows[lens, metric] for metric in ("score", "regret")]
        if pair[1].verdict is not LensVerdict.UNDECIDED or pair[1].margin is None:
            continue
        spreads = [
            Spread(
                difference=row.estimate or 0.0,
                deviation=_known(row.standard_error) * math.sqrt(replicates),
            )
            for row in pair
        ]
        widths = [
            (row.verdict_interval.high - row.verdict_interval.low) / 2
            for row in pair
            if row.verdict_interval is not None
        ]
        known = all(math.isfinite(one.deviation) for one in spreads) and pair[1].reason is None
        found.append(
            Needed(
                lens=lens.value,
                replicates=replicates_needed(
                    *spreads, margin=pair[1].margin, level=level, sizes=sizes_after(replicates)
                )
                if known
                else None,
                half_width=finite(max(widths)),
                margin=pair[1].margin,
            )
        )
    return found


def _known(number: float | None) -> float:
    return math.nan if number is None else number


def _replicates(data: Data, pair: tuple[str, str]) -> int:
    return min(data.replicates[name] for name in pair)
