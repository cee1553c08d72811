"""What is right in a study file, while the rest of it is still being checked.

In: tables that were validated one by one. Out: one record for the checks that concern several
tables. Must not import torch, Ray, Optuna or pandas.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agsam_tune.study.model import AnalysisSettings, Phase, Record, SearchSpace, Training
from agsam_tune.study.study import Study

__all__ = ["Draft"]


@dataclass(slots=True, kw_only=True)
class Draft:
    """The right parts of a study; a part that is missing was reported already.

    Attributes:
        header: the keys above the first table that are of the right type.
        sections: training, analysis, packs, resources and reference.
        task_options: as given; `checks.py` puts the validated ones in their place.
        known_optimizers: the names that search-space files were found for, that installed
            packages announce, or that stand for a reference in the study file.
        spaces: optimizer → its search space, the study's overrides applied.
        phases: in the file's order.
        all_phases_read: whether all of the file's phases are among `phases`.
        trained_elsewhere: whether another program makes the trials, to which the task is a name.
    """

    header: dict[str, Any]
    sections: Mapping[str, Record]
    task_options: dict[str, Any]
    known_optimizers: tuple[str, ...]
    spaces: Mapping[str, SearchSpace]
    phases: list[Phase]
    all_phases_read: bool
    trained_elsewhere: bool = False

    @property
    def optimizers(self) -> tuple[str, ...] | None:
        """The study's optimizers, or None if they could not be read."""
        return self.header.get("optimizers")

    @property
    def training(self) -> Training | None:
        """The recipe, or None if something in it is wrong."""
        section = self.sections.get("training")
        return section if isinstance(section, Training) else None

    def phase(self, name: str) -> Phase | None:
        """The first phase of that name that is right."""
        return next((phase for phase in self.phases if phase.name == name), None)

    def sketch(self) -> Study:
        """A study of what is right, not validated: optimizers and roles with a search space."""
        analysis = self.sections.get("analysis")
        values: dict[str, Any] = {
            "optimizers": tuple(name for name in self.optimizers or () if name in self.spaces),
            "replicates": self.header.get("replicates", 1),
            "search_spaces": self.spaces,
            "phases": tuple(self.phases),
            "analysis": analysis if isinstance(analysis, AnalysisSettings) else AnalysisSettings(),
        }
        for role in ("candidate", "baseline"):
            name = self.header.get(role)
            values[role] = name if name in self.spaces else None
        return Study.model_construct(**values)
