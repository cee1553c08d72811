"""Running a study, or carrying it on, to its report; see `run_study`."""

from agsam_tune.running.options import RunOptions
from agsam_tune.running.run import run_study

__all__ = ["RunOptions", "run_study"]
