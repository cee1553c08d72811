"""What a run says of itself before it trains: how much there is to do, and how long it takes.

In: a study, its tasks and what is stored. Out: one line. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.executors.checks import machine
from agsam_tune.planning.study_plan import count_plan, study_plan
from agsam_tune.planning.texts import short
from agsam_tune.study import Study
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Outcome


def forecast(
    study: Study,
    tasks: Tasks,
    *,
    stored: Sequence[Outcome],
    engine: Mapping[str, Any],
    cpus: int | None,
    gpus: int | None,
    address: str | None,
    executor: str,
    report: bool,
) -> str:
    """What is left of a run, from what the manifest has measured; see `study_plan`."""
    no_times = "that is for the cluster to say" if address else ""
    try:
        if not no_times:
            plan = study_plan(
                study,
                tasks,
                stored=stored,
                engine=engine,
                there=machine(cpus=cpus, gpus=gpus),
                executor=executor,
                pilot=0,
                seconds=0.0,
                report=report,
            )
    except UsageError as error:
        no_times = str(error)
    if no_times:
        plan = count_plan(study, stored=stored, engine=engine, no_times=no_times)
    return short(plan)
