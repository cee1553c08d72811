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
    DEFAULT_FACTOR,
    FORMAT,
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

#: Replicates of a study that names none.
DEFAULT_REPLICATES = 16


class Header(Record):
    """The keys of a study file that stand above its first table."""

    format: Literal[2] = Field(default=FORMAT, description="version of the file's form")
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
    replicates: PositiveInt = Field(
        default=DEFAULT_REPLICATES,
        description="independent small studies within the study; intervals are made from them",
    )
    data: Literal["per_replicate", "fixed"] = Field(
        default="per_replicate",
        description="whether each replicate draws data of its own, or all share one data set",
    )


class SearchSpaceTable(Record):
    """A search space's file, and an override of it: a table of a `Range` per hyperparameter."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Range]

    optimizer: str = Field(
        description="the optimizer's name, which is also the file's, "
        "or 'package.module:function' for one's own"
    )
    format: int = Field(default=FORMAT, ge=1, le=FORMAT, description="version of the file's form")
    description: str = Field(default="", description="one line for `agsam-tune list`")
    ascent: bool = Field(
        default=True, description="false for a rule that makes no ascent step, such as sgd"
    )


class FixedPointTable(Record):
    """One of `[[phases.points]]`: an optimizer and a number per hyperparameter."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    optimizer: str = Field(description="one of the study's optimizers")

    def record(self) -> FixedPoint:
        """The point as a record."""
        return FixedPoint(optimizer=self.optimizer, hyperparameters=dict(self.__pydantic_extra__))


Optimizers = Annotated[tuple[str, ...], AsTuple, Field(min_length=1)]


class _Table(Record):
    """What all phases' tables have in common."""

    name: str

    def record(self) -> Phase:
        """The phase as a record."""
        return Phase.model_validate(self.model_dump())


class _DrawnTable(_Table):
    points: PositiveInt = Field(description="points per replicate and optimizer")
    optimizers: Optimizers | None = Field(
        default=None,
        json_schema_extra={"uniqueItems": True},
        description="whose points are trained; by default the candidate's and the baseline's, "
        "of map and default all optimizers'",
    )


class MapTable(_DrawnTable):
    """`map`: the surface, over the whole search space; every fourth point has a second seed."""

    name: Literal["map"] = Field(description="the phase")
    sampler: Literal["sobol", "grid", "random"] = Field(
        default="sobol", description="what draws the points"
    )


class KeyTable(_DrawnTable):
    """`key`: the key over both boxes and beyond, the other hyperparameters at their defaults."""

    name: Literal["key"] = Field(description="the phase")


class OffTable(_DrawnTable):
    """`off`: everything off at once, the key as in `key`, the others by up to a factor."""

    name: Literal["off"] = Field(description="the phase")
    factor: float = Field(
        default=DEFAULT_FACTOR, gt=1, description="by how much everything may be off, up or down"
    )


class RadiusTable(_DrawnTable):
    """`radius`: ascent steps of exactly the same length, the others off as in `off`."""

    name: Literal["radius"] = Field(description="the phase")
    low: float | None = Field(
        default=None,
        gt=0,
        description="shortest step; without both ends it is one decade around where the first "
        "of the two begins to fail",
    )
    high: float | None = Field(default=None, gt=0, description="longest step")


class TuneTable(_DrawnTable):
    """`tune`: the search of an Optuna sampler in each replicate."""

    name: Literal["tune"] = Field(description="the phase")
    sampler: Literal["tpe", "gp", "random", "sobol"] = Field(
        default="tpe", description="what asks for the points"
    )


class MissetTable(_DrawnTable):
    """`misset`: around each replicate's own best, half with all off, half with one."""

    name: Literal["misset"] = Field(description="the phase")


class IidTable(_DrawnTable):
    """`iid`: independent draws, for tuning curves."""

    name: Literal["iid"] = Field(description="the phase")
    sampler: Literal["random"] = Field(default="random", description="what draws the points")


class DefaultTable(_Table):
    """`default`: each search space's defaults, in every replicate."""

    name: Literal["default"] = Field(description="the phase")
    seeds: PositiveInt = Field(default=1, description="trials per replicate")
    optimizers: Optimizers | None = Field(
        default=None,
        json_schema_extra={"uniqueItems": True},
        description="whose defaults are trained; by default all optimizers'",
    )


class FixedTable(Record):
    """`fixed`: the settings that are listed; each seed is a replicate."""

    name: Literal["fixed"] = Field(description="the phase")
    points: Annotated[tuple[FixedPointTable, ...], AsTuple, Field(min_length=1)] = Field(
        description="[[phases.points]], each an optimizer and its hyperparameters"
    )
    seeds: PositiveInt = Field(description="trials per point")

    def record(self) -> Phase:
        """The phase as a record."""
        points = tuple(point.record() for point in self.points)
        return Phase(name=self.name, seeds=self.seeds, fixed=points)


PhaseTable = (
    MapTable
    | KeyTable
    | OffTable
    | RadiusTable
    | TuneTable
    | MissetTable
    | DefaultTable
    | IidTable
    | FixedTable
)

PHASE_TABLES: Mapping[str, type[PhaseTable]] = MappingProxyType(
    {
        "map": MapTable,
        "key": KeyTable,
        "off": OffTable,
        "radius": RadiusTable,
        "tune": TuneTable,
        "misset": MissetTable,
        "default": DefaultTable,
        "iid": IidTable,
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
