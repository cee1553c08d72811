"""What a study will take and what it can find, before it runs; see `plan_run`."""

from agsam_tune.planning.pilot import Pilot
from agsam_tune.planning.run_plan import PlanOptions, plan_run
from agsam_tune.planning.study_plan import PhasePlan, StudyPlan, study_plan
from agsam_tune.planning.texts import short

__all__ = ["PhasePlan", "Pilot", "PlanOptions", "StudyPlan", "plan_run", "short", "study_plan"]
