"""What is left to run: the packs of a study, in order, as results come in."""

from agsam_tune.agenda.agenda import (
    ATTEMPTS,
    ATTEMPTS_ALONE,
    HOPELESS,
    MACHINES,
    Agenda,
    Fault,
)
from agsam_tune.agenda.course import AskBatch

__all__ = [
    "ATTEMPTS",
    "ATTEMPTS_ALONE",
    "HOPELESS",
    "MACHINES",
    "Agenda",
    "AskBatch",
    "Fault",
]
