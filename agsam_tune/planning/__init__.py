"""What a study will take and what it can find, before it runs; see `plan_run`."""

from agsam_tune.planning.engine import engine_of, rows_of
from agsam_tune.planning.pilot import Pilot
from agsam_tune.planning.run_plan import PlanOptions, plan_run
from agsam_tune.planning.study_plan import LookPlan, PhasePlan, StudyPlan, count_plan, study_plan
from agsam_tune.planning.texts import short

__all__ = [
    "LookPlan",
    "PhasePlan",
    "Pilot",
    "PlanOptions",
    "StudyPlan",
    "count_plan",
    "engine_of",
    "plan_run",
    "rows_of",
    "short",
    "study_plan",
]
