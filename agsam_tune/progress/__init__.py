"""What the console shows while a study runs, so that people can trust it.

In: how many trials there are, what the workers do, outcomes. Out: a panel that is kept up to
date on a terminal, else a plain line now and then. Must not import torch, Ray or Optuna.
"""

from agsam_tune.progress.progress import StudyProgress

__all__ = ["StudyProgress"]
