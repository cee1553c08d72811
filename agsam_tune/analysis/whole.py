"""Everything that is said of a study, from its trials to the record.

In: the trials table, the study, the facts. Out: a `Summary`. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from agsam_tune.analysis.around import (
    around_best,
    around_default,
    clipped_share,
    own_best_record,
)
from agsam_tune.analysis.claim import NO_PAIR, Wording, claim_of
from agsam_tune.analysis.comparing import needed_rows, verdict_rows
from agsam_tune.analysis.data import Data, read_data
from agsam_tune.analysis.descriptive import describe
from agsam_tune.analysis.facts import AnalysisFacts
from agsam_tune.analysis.fixed import fixed_comparisons, fixed_points, published_numbers
from agsam_tune.analysis.gap import gap_rows, gap_sentence
from agsam_tune.analysis.lens_curves import lens_curves
from agsam_tune.analysis.lenses.pair import Judgement
from agsam_tune.analysis.measured import key_range
from agsam_tune.analysis.metrics import lens_quantities
from agsam_tune.analysis.notes import notes_of
from agsam_tune.analysis.pairing import PAIR_PHASES, common_data, judge, largest
from agsam_tune.analysis.possible import cut_to_possible
from agsam_tune.analysis.quantities import Quantity, comparison_rows, metric_row
from agsam_tune.analysis.reach import Reach, reach_of
from agsam_tune.analysis.record import (
    Claim,
    Comparison,
    Counts,
    Design,
    Needed,
    OptimizerRecord,
    Summary,
)
from agsam_tune.analysis.surfaces import Surfaces, fit_surfaces
from agsam_tune.analysis.tuning_curve import tuning_rows
from agsam_tune.analysis.wins import net_wins, win_row, win_share
from agsam_tune.study import Study

__all__ = ["analyse", "analyse_data"]


def analyse(trials: pd.DataFrame, study: Study, facts: AnalysisFacts) -> Summary:
    """Every estimate of a study.

    Args:
        trials: the trials table, one row a trial.
        study: what was run.
        facts: what else there is to know.

    Raises:
        ValueError: if a column is missing or a trial's key comes twice.
    """
    return analyse_data(read_data(trials, study, facts))


def analyse_data(data: Data, surfaces: Surfaces | None = None, *, brief: bool = False) -> Summary:
    """The same of trials that are already read, as whoever draws figures has them.

    Args:
        data: the trials.
        surfaces: of `fit_surfaces`, where they are fitted already.
        brief: leave out surfaces, importances and tuning curves, which take most of the time and
            bear on no verdict.
    """
    study = data.study
    if surfaces is None and not brief:
        surfaces = fit_surfaces(data)
    reach = reach_of(data)
    pair = _pair(data)
    judgement = judge(pair.common) if pair is not None else None
    needed = needed_rows(pair.common, judgement) if pair is not None and judgement else []
    wins = net_wins(pair.common, pair.names, pair.reach) if pair is not None else []
    optimizers = {
        name: _optimizer(data, name, reach, pair, wins, surfaces) for name in study.optimizers
    }
    points, gap = fixed_points(data), gap_rows(data)
    found = Summary(
        study=study.name,
        task=study.task,
        candidate=study.candidate,
        baseline=study.baseline,
        control=study.control,
        counts=_counts(data, *study.optimizers),
        design=_design(data, judgement),
        optimizers=optimizers,
        comparisons=tuple(_comparisons(data, pair, judgement, wins)),
        gap=tuple(gap),
        claim=_claim(data, judgement, needed, gap),
        needed=tuple(needed),
        tuning=() if brief else tuning_rows(data),
        fixed=tuple(points),
        published=tuple(published_numbers(data, points)),
        notes=tuple(notes_of(data, optimizers)),
    )
    return cut_to_possible(found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pair:
    """The pair with the trainings that both have, and what each reaches by those."""

    names: tuple[str, str]
    common: Data
    reach: Reach


def _pair(data: Data) -> _Pair | None:
    study = data.study
    if study.candidate is None or study.baseline is None:
        return None
    names = (study.candidate, study.baseline)
    common = common_data(data, names, PAIR_PHASES)
    return _Pair(names=names, common=common, reach=reach_of(common))


def _comparisons(
    data: Data, pair: _Pair | None, judgement: Judgement | None, wins: Sequence[Quantity]
) -> list[Comparison]:
    """The verdicts' rows first, then what no verdict is made of."""
    if pair is None or judgement is None:
        return []
    confidence = data.study.analysis.confidence
    ours, theirs = (_quantities(pair.common, name, pair.reach) for name in pair.names)
    return [
        *verdict_rows(pair.common, judgement),
        *comparison_rows(ours, theirs, pair.names, paired=data.facts.paired, confidence=confidence),
        *(win_row(one, pair.names, confidence) for one in wins),
        *fixed_comparisons(data),
    ]


def _quantities(data: Data, optimizer: str, reach: Reach) -> list[Quantity]:
    return [
        *lens_quantities(data, optimizer, reach),
        *around_best(data, optimizer, reach),
        *around_default(data, optimizer, reach),
    ]


def _optimizer(
    data: Data,
    optimizer: str,
    reach: Reach,
    pair: _Pair | None,
    wins: Sequence[Quantity],
    surfaces: Surfaces | None,
) -> OptimizerRecord:
    quantities = _quantities(data, optimizer, reach)
    if pair is not None and optimizer in pair.names:
        first = optimizer == pair.names[0]
        quantities += [win_share(one, first=first) for one in wins]
    confidence = data.study.analysis.confidence
    described = describe(data, optimizer, surfaces) if surfaces is not None else None
    return OptimizerRecord(
        hyperparameters=data.study.search_spaces[optimizer].names,
        **_counts(data, optimizer).model_dump(),
        clipped_share=clipped_share(data, optimizer),
        metrics=tuple(metric_row(one, confidence) for one in quantities),
        curves=(*lens_curves(data, optimizer, reach), *(described.curves if described else ())),
        own_best=own_best_record(data, optimizer, reach),
        surface=described.surface if described else None,
        importance=described.importance if described else (),
        effective_number=described.effective_number if described else None,
    )


def _counts(data: Data, *optimizers: str) -> Counts:
    own = [one for (name, _), one in data.phases.items() if name in optimizers]
    return Counts(
        trainings=sum(data.trainings[name] for name in optimizers),
        diverged=sum(int(one.diverged_N.sum()) for one in own),
        collapsed=sum(int(data.collapsed_N(one).sum()) for one in own),
        failed=sum(data.failed[name] for name in optimizers),
    )


def _design(data: Data, judgement: Judgement | None) -> Design:
    study, facts = data.study, data.facts
    later = [size for size in study.looks if size > facts.looks[-1]]
    lengths = key_range(data, "radius")
    return Design(
        replicates=max(data.replicates.values(), default=0),
        complete=facts.complete,
        looks=facts.looks,
        max_replicates=largest(data),
        next_look=later[0] if later and facts.can_grow else None,
        data=study.data,
        key=study.key,
        key_box=study.key_box,
        factor=study.factor if study.key is not None else None,
        radius_range=None if lengths is None else (10 ** lengths[0], 10 ** lengths[1]),
        metric=facts.metric,
        trivial=facts.trivial,
        best=judgement.best if judgement is not None else None,
        margin=study.analysis.margin,
        confidence=study.analysis.confidence,
        epsilons=study.analysis.epsilons,
    )


def _claim(
    data: Data, judgement: Judgement | None, needed: list[Needed], gap: list[Comparison]
) -> Claim:
    study, facts = data.study, data.facts
    if judgement is None:
        return NO_PAIR
    may_grow = facts.can_grow and facts.looks[-1] < study.max_replicates
    wording = Wording(
        candidate=str(study.candidate),
        baseline=str(study.baseline),
        points=facts.metric == "accuracy",
        command="agsam-tune run STUDY --until-decided" if may_grow else None,
        largest=largest(data),
    )
    split = gap_sentence(gap, wording)
    return claim_of(judgement, wording, needed, () if split is None else (split,))
