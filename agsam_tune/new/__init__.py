"""Files to begin a study of one's own from: the study, its search spaces, a task's module.

In: a name, a task and optimizers. Out: commented files that run as they are, and the schemas that
editors check them by. Must not import torch, Ray, Optuna, NumPy or pandas.
"""

from agsam_tune.new.choices import DEFAULT_OPTIMIZERS
from agsam_tune.new.write import NewFiles, write_new_study

__all__ = ["DEFAULT_OPTIMIZERS", "NewFiles", "write_new_study"]
