"""Everything that is said of a study, from its trials to the record.

In: the trials table, the study, the facts. Out: a `Summary`. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import pandas as pd

from agsam_tune.analysis.claim import NO_PAIR, Wording, claim_of
from agsam_tune.analysis.comparing import needed_rows, verdict_rows
from agsam_tune.analysis.data import Data, read_data
from agsam_tune.analysis.facts import AnalysisFacts
from agsam_tune.analysis.lenses.pair import Judgement
from agsam_tune.analysis.measured import key_range
from agsam_tune.analysis.pairing import judge, largest
from agsam_tune.analysis.record import Claim, Counts, Design, Needed, OptimizerRecord, Summary
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


def analyse_data(data: Data) -> Summary:
    """The same of trials that are already read, as whoever draws figures has them."""
    study = data.study
    judgement = judge(data)
    needed = needed_rows(data, judgement) if judgement is not None else []
    return Summary(
        study=study.name,
        task=study.task,
        candidate=study.candidate,
        baseline=study.baseline,
        control=study.control,
        counts=_counts(data, *study.optimizers),
        design=_design(data, judgement),
        optimizers={name: _optimizer(data, name) for name in study.optimizers},
        comparisons=tuple(verdict_rows(data, judgement) if judgement is not None else ()),
        claim=_claim(data, judgement, needed),
        needed=tuple(needed),
    )


def _optimizer(data: Data, optimizer: str) -> OptimizerRecord:
    counts = _counts(data, optimizer)
    return OptimizerRecord(
        hyperparameters=data.study.search_spaces[optimizer].names,
        **counts.model_dump(),
        clipped_share=0.0,
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


def _claim(data: Data, judgement: Judgement | None, needed: list[Needed]) -> Claim:
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
    return claim_of(judgement, wording, needed)
