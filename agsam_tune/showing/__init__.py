"""What a run has come to, finished or going on, without an analysis of it.

In: runs' folders. Out: facts, and lines of text; the run is only read, and no lock is taken.
Must not import torch or Ray, nor, where the results are in a journal, Optuna or pandas: it answers
at once.
"""

from agsam_tune.showing.facts import RunFacts, facts_of, runs_below
from agsam_tune.showing.lines import listing, shown

__all__ = ["RunFacts", "facts_of", "listing", "runs_below", "shown"]
