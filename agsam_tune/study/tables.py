"""The tables of a study file as they are written, with the keys that each of them takes.

In: tables read from TOML. Out: their values, types and ranges checked. They differ from the
records of `model.py` where the file is shorter than the record: each phase has its own keys, and
the hyperparameters of a fixed point or of a search space stand beside its optimizer.
Must not import torch, Ray, Optuna or pandas.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from agsam_tune.study.model import (
    AnalysisSettings,
    AsTuple,
    FixedPoint,
    Packs,
    Phase,
    PositiveInt,
    Range,
    Record,
    Reference,
    Resources,
    Sharpness,
    Training,
)

__all__ = [
    "OPTIONAL_SECTIONS",
    "PHASE_TABLES",
    "SECTIONS",
    "STUDY_KEYS",
    "FixedPointTable",
    "Header",
    "PhaseTable",
    "SearchSpaceTable",
]

DEFAULT_REPLICATES = 8


class Header(Record):
    """The keys of a study file that stand above its first table."""

    task: str = Field(
        description="a built-in task, one that a package announces, "
        "or 'package.module:function' for one's own"
    )
    optimizers: Annotated[tuple[str, ...], AsTuple, Field(min_length=1)] = Field(
        json_schema_extra={"uniqueItems": True},
        description="the optimizers to compare: names, or 'package.module:function' for one's own",
    )
    candidate: str | None = Field(
        default=None,
        examples=["adaptive_gsam"],
        description="which of the optimizers the claim is about",
    )
    baseline: str | None = Field(
        default=None, examples=["gsam"], description="which of them it is compared with"
    )
    control: str | None = Field(
        default=None,
        examples=["gsam_matched"],
        description="the baseline's direction with the candidate's length of step",
    )
    seed: int = Field(default=0, ge=0, description="the root of all random streams")


class SearchSpaceTable(Record):
    """A search space's file, and an override of it: a table of a `Range` per hyperparameter."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Range]

    optimizer: str = Field(
        description="the optimizer's name, which is also the file's, "
        "or 'package.module:function' for one's own"
    )
    description: str = Field(default="", description="one line for `agsam-tune list`")


class FixedPointTable(Record):
    """One of `[[phases.points]]`: an optimizer and a number per hyperparameter."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    optimizer: str = Field(description="one of the study's optimizers")

    def record(self) -> FixedPoint:
        """The point as a record."""
        return FixedPoint(optimizer=self.optimizer, hyperparameters=dict(self.__pydantic_extra__))


class MapTable(Record):
    """`map`: the surface, over the whole search space."""

    name: Literal["map"] = Field(description="the phase")
    sampler: Literal["sobol", "grid", "random"] = Field(
        default="sobol", description="what draws the points"
    )
    points: PositiveInt = Field(description="points per optimizer")
    replicates: PositiveInt | None = Field(
        default=None,
        description="independent designs of points / replicates points each; "
        f"by default {DEFAULT_REPLICATES} with sobol, else 1",
    )
    seeds: PositiveInt = Field(description="trials per point")

    def record(self) -> Phase:
        """The phase as a record."""
        default = DEFAULT_REPLICATES if self.sampler == "sobol" else 1
        return Phase(
            name=self.name,
            sampler=self.sampler,
            points=self.points,
            replicates=self.replicates or default,
            seeds=self.seeds,
        )


class TuneTable(Record):
    """`tune`: each optimizer's own best."""

    name: Literal["tune"] = Field(description="the phase")
    sampler: Literal["tpe", "gp", "random", "sobol"] = Field(
        default="tpe", description="what asks for the points"
    )
    points: PositiveInt = Field(description="points per optimizer")
    seeds: PositiveInt = Field(description="trials per point")

    def record(self) -> Phase:
        """The phase as a record."""
        return Phase(name=self.name, sampler=self.sampler, points=self.points, seeds=self.seeds)


class IidTable(Record):
    """`iid`: independent draws, with one seed a point."""

    name: Literal["iid"] = Field(description="the phase")
    sampler: Literal["random"] = Field(default="random", description="what draws the points")
    points: PositiveInt = Field(description="points, and trials, per optimizer")

    def record(self) -> Phase:
        """The phase as a record."""
        return Phase(name=self.name, sampler=self.sampler, points=self.points)


class MissetTable(Record):
    """`misset`: around each optimizer's own best, with fresh seeds."""

    name: Literal["misset"] = Field(description="the phase")
    seeds: PositiveInt = Field(description="fresh seeds per point")

    def record(self) -> Phase:
        """The phase as a record."""
        return Phase(name=self.name, seeds=self.seeds)


class FixedTable(Record):
    """`fixed`: the settings that are listed."""

    name: Literal["fixed"] = Field(description="the phase")
    points: Annotated[tuple[FixedPointTable, ...], AsTuple, Field(min_length=1)] = Field(
        description="[[phases.points]], each an optimizer and its hyperparameters"
    )
    seeds: PositiveInt = Field(description="trials per point")

    def record(self) -> Phase:
        """The phase as a record."""
        points = tuple(point.record() for point in self.points)
        return Phase(name=self.name, seeds=self.seeds, fixed=points)


PhaseTable = MapTable | TuneTable | IidTable | MissetTable | FixedTable

PHASE_TABLES: Mapping[str, type[PhaseTable]] = MappingProxyType(
    {
        "map": MapTable,
        "tune": TuneTable,
        "iid": IidTable,
        "misset": MissetTable,
        "fixed": FixedTable,
    }
)

#: The tables that are records as they stand.
SECTIONS: Mapping[str, type[Record]] = MappingProxyType(
    {
        "training": Training,
        "analysis": AnalysisSettings,
        "packs": Packs,
        "resources": Resources,
        "reference": Reference,
        "sharpness": Sharpness,
    }
)

#: Tables that a study does without unless they are there, if only as a heading.
OPTIONAL_SECTIONS = ("sharpness",)

#: All that a study file may hold at its top.
STUDY_KEYS = (*Header.model_fields, "task_options", *SECTIONS, "search_spaces", "phases")
