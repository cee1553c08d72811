"""The study as an object: frozen, typed records of everything that a study file says.

In: values that are already read from TOML. Out: immutable records with every default filled in.
Types and ranges are checked here, whoever makes a record; what concerns several records at once
is checked in `checks.py`. Must not import torch, Ray, Optuna or pandas.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from agsam_tune.study.hyperparameters import canonical_order, limits

__all__ = [
    "DEFAULT_FACTOR",
    "FORMAT",
    "NOT_ALLOWED",
    "PHASE_NAMES",
    "AnalysisSettings",
    "FixedPoint",
    "FrozenDict",
    "Packs",
    "Phase",
    "PublishedResult",
    "Range",
    "Record",
    "Reference",
    "Resources",
    "SearchSpace",
    "Sharpness",
    "Training",
]

K = TypeVar("K")
V = TypeVar("V")

#: The version of the form that study files and search spaces are written in. Studies of 1 cross
#: seeds with points; its search spaces are those of 2.
FORMAT: Final = 2

PHASE_NAMES = ("map", "key", "off", "radius", "tune", "misset", "default", "iid", "fixed")

#: The type of our own errors, whose message is what is allowed.
NOT_ALLOWED: Final = "not_allowed"

#: By how much everything may be off in `own_scale` where a study does not say it.
DEFAULT_FACTOR = 10.0


class FrozenDict(dict[K, V]):
    """A dict that refuses changes; it is hashable, compares as a dict and can be pickled."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this mapping is part of a study and cannot be changed")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


#: A mapping field; what it holds is validated as that of a dict.
Frozen = AfterValidator(FrozenDict)

#: TOML and JSON have lists, a record has tuples; what a tuple holds is still checked strictly.
AsTuple = Field(strict=False)

PositiveInt = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Record(BaseModel):
    """The base of all records: frozen, no conversion between types, no unknown key, no nan or inf.

    Schemas are built at first use, so that commands that read no study start quickly.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True
    )


class Range(Record):
    """The interval that one hyperparameter is drawn from, in its own scale."""

    low: float = Field(description="smallest value; more than 0 where log is true")
    high: float = Field(description="largest value; more than low")
    log: bool = Field(default=False, description="whether points are uniform in the logarithm")
    default: float = Field(description="a sound value, between low and high")
    min: float | None = Field(
        default=None, description="what a drawn value is never less than, mis-set or not"
    )
    max: float | None = Field(
        default=None, description="what a drawn value is never more than, mis-set or not"
    )

    def clipped(self, hyperparameter: str, value: float) -> float:
        """`value` moved to what may never be left: `min` and `max`, else the rule's limits."""
        low, high = limits(hyperparameter)
        low = low if self.min is None else self.min
        high = high if self.max is None else self.max
        return min(max(value, low), high)

    @model_validator(mode="after")
    def _is_consistent(self) -> "Range":
        problems = []
        if self.low >= self.high:
            problems.append(
                f"found low = {self.low!r} and high = {self.high!r}, allowed: low < high"
            )
        if self.log and self.low <= 0:
            problems.append(f"found log = true with low = {self.low!r}, allowed: low > 0")
        if self.low < self.high and not self.low <= self.default <= self.high:
            problems.append(
                f"found default = {self.default!r}, "
                f"allowed: from low = {self.low!r} to high = {self.high!r}"
            )
        if self.min is not None and self.min > self.low:
            problems.append(f"found low = {self.low!r}, allowed: at least min = {self.min!r}")
        if self.max is not None and self.max < self.high:
            problems.append(f"found high = {self.high!r}, allowed: at most max = {self.max!r}")
        if problems:
            raise ValueError("\n".join(problems))
        return self


class SearchSpace(Record):
    """The hyperparameters of one optimizer and what each is drawn from."""

    optimizer: str = Field(description="the optimizer's name")
    ranges: Annotated[dict[str, Range], Frozen] = Field(
        default_factory=dict, description="hyperparameter → its range, in canonical order"
    )
    description: str = Field(default="", description="one line for `agsam-tune list`")
    rule: str | None = Field(
        default=None,
        description="where an update rule of one's own is, as 'package.module:function'; "
        "null for a built-in",
    )
    ascent: bool = Field(
        default=True,
        description="whether the rule has an ascent step, to be compared at equal radius",
    )

    @field_validator("ranges", mode="after")
    @classmethod
    def _in_canonical_order(cls, ranges: Mapping[str, Range]) -> Mapping[str, Range]:
        return FrozenDict({name: ranges[name] for name in canonical_order(ranges)})

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters: rho, alpha, gamma, then the others by name; () if there are none."""
        return tuple(self.ranges)


class Training(Record):
    """The recipe that every trial is trained by."""

    epochs: PositiveInt = Field(
        description="passes over the training split; sgd_2x makes twice as many"
    )
    batch_size: PositiveInt = Field(
        description="examples a step; the last of an epoch may be short"
    )
    base_optimizer: Literal["sgd", "adam", "adamw"] = Field(
        default="sgd", description="what applies the update direction to the weights"
    )
    lr: float = Field(gt=0, description="learning rate of the base optimizer")
    momentum: float = Field(default=0.0, ge=0, lt=1, description="momentum of sgd")
    nesterov: bool = Field(default=False, description="Nesterov's form of momentum")
    betas: Annotated[tuple[Decay, Decay], AsTuple] = Field(
        default=(0.9, 0.999), description="decay of both running means of adam and adamw"
    )
    eps: float = Field(default=1e-8, gt=0, description="what adam and adamw add to the divisor")
    weight_decay: float = Field(
        default=0.0, ge=0, description="L2 penalty; with adamw a decay of the weights themselves"
    )
    max_grad_norm: float | None = Field(
        default=None,
        gt=0,
        examples=[1.0],
        description="longest update direction, a longer one is scaled down; without it none is",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of each label spread evenly over all classes"
    )
    lr_schedule: Literal["constant", "cosine", "linear"] = Field(
        default="constant", description="course of lr over the steps"
    )
    warmup: int = Field(default=0, ge=0, description="steps over which lr rises linearly from 0")
    rho_schedule: Literal["constant", "proportional"] = Field(
        default="constant", description="course of rho: constant, or proportional to lr"
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        default="float32",
        description="of matrix products: tf32 on GPUs, bfloat16 by autocast; weights are float32",
    )


#: Stands where the record must have a recipe that nobody knows: trials are made elsewhere, and
#: nothing reads it.
UNKNOWN_TRAINING = Training(epochs=1, batch_size=1, lr=1.0)


class Sharpness(Record):
    """What is measured of the final weights of every trial; a study without the table has none."""

    examples: PositiveInt = Field(
        default=1000, description="first training examples that the loss is taken over"
    )
    rho: float = Field(default=0.05, gt=0, description="radius of the common surrogate gap")
    gamma: float = Field(default=0.1, ge=0, description="gamma of the common adaptive gap")
    max_iterations: PositiveInt = Field(
        default=1000, description="most Hessian-vector products for the largest eigenvalue"
    )


class FixedPoint(Record):
    """One setting of a `fixed` phase."""

    optimizer: str = Field(description="one of the study's optimizers")
    hyperparameters: Annotated[dict[str, float], Frozen] = Field(
        default_factory=dict, description="a value for each of the optimizer's hyperparameters"
    )

    @field_validator("hyperparameters", mode="after")
    @classmethod
    def _in_canonical_order(cls, values: Mapping[str, float]) -> Mapping[str, float]:
        return FrozenDict({name: values[name] for name in canonical_order(values)})


class Phase(Record):
    """A set of points with one purpose and one sampler; what a phase does not have is null.

    Points are per replicate, each with one seed; every fourth of `map` has a second one.
    """

    name: Literal["map", "key", "off", "radius", "tune", "misset", "default", "iid", "fixed"] = (
        Field(description="which phase it is")
    )
    sampler: str | None = Field(default=None, description="what draws the points")
    points: int | None = Field(default=None, ge=1, description="points per replicate and optimizer")
    seeds: PositiveInt = Field(
        default=1, description="trials per point: of default in each replicate, of fixed in all"
    )
    optimizers: Annotated[tuple[str, ...], AsTuple] | None = Field(
        default=None, description="whose points are trained; null for what the phase is made for"
    )
    factor: float | None = Field(
        default=None, gt=1, description="by how much everything may be off in `off`"
    )
    low: float | None = Field(default=None, gt=0, description="shortest step of `radius`")
    high: float | None = Field(default=None, gt=0, description="longest step of `radius`")
    fixed: Annotated[tuple[FixedPoint, ...], AsTuple] = Field(
        default=(), description="the points of a `fixed` phase, in the file's order"
    )


class AnalysisSettings(Record):
    """What the analysis takes as large, as equal and as sure; scores are fractions."""

    margin: Fraction = Field(
        default=0.02,
        description="differences up to it count as none; half of it in own_scale, and less in "
        "proportion where best − trivial is under a half",
    )
    key: str | None = Field(
        default=None,
        description="the hyperparameter that sets the scale of a comparison; "
        "by default rho where both have it, else lr",
    )
    epsilons: Annotated[tuple[Fraction, ...], AsTuple, Field(min_length=1)] = Field(
        default=(0.01, 0.03, 0.05),
        json_schema_extra={"uniqueItems": True},
        description="losses of score that one might tolerate",
    )
    confidence: Fraction = Field(default=0.95, description="coverage of the intervals")
    max_replicates: PositiveInt = Field(
        default=64, description="where --until-decided ends, or at `replicates` if they are more"
    )

    @field_validator("epsilons", mode="after")
    @classmethod
    def _differ(cls, epsilons: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(epsilons)) < len(epsilons):
            raise ValueError(f"found {list(epsilons)!r}, allowed: every loss once")
        return epsilons


class Packs(Record):
    """How trials are trained together."""

    rows: PositiveInt | Literal["auto"] = Field(
        default="auto", description="trials per pack, or 'auto'"
    )
    way: Literal["auto", "compiled", "stacked", "rows", "vmap"] = Field(
        default="auto", description="how a pack's models are computed; 'auto' measures"
    )
    checkpoint: float = Field(
        default=300.0, ge=0, description="seconds between checkpoints of a long pack; 0 writes none"
    )
    time_limit: float = Field(
        default=0.0, ge=0, description="seconds after which a pack counts as hanging; 0 is no limit"
    )

    @field_validator("rows", mode="wrap")
    @classmethod
    def _rows(cls, value: object, _: object) -> object:
        # One message, where a union would give one for each of its members.
        if value == "auto" or (isinstance(value, int) and value is not True and value >= 1):
            return value
        raise PydanticCustomError(NOT_ALLOWED, "an integer >= 1 or 'auto'")


class Resources(Record):
    """What the scheduler sets aside for one pack."""

    cpus: float = Field(default=1.0, gt=0, description="cores per pack")
    gpus: float = Field(default=0.0, ge=0, description="GPUs per pack; a fraction shares one")


class PublishedResult(Record):
    """One row of a published table, to be printed beside our own."""

    optimizer: str = Field(description="one of the study's optimizers")
    test_accuracy: float | None = Field(
        default=None, ge=0, le=1, description="published accuracy, as a fraction"
    )
    test_loss: float | None = Field(default=None, ge=0, description="published loss")


class Reference(Record):
    """Published numbers to print beside ours: `[reference]` and `[[reference.results]]`.

        [reference]
        source = "where the numbers are from"
        [[reference.results]]
        optimizer = "gsam"
        test_accuracy = 0.857
        test_loss = 0.33

    A study without them has an empty `source` and no results.
    """

    source: str = Field(default="", description="where the numbers were published")
    results: Annotated[tuple[PublishedResult, ...], AsTuple] = Field(
        default=(), description="the published rows, in the file's order"
    )


def is_finite(value: object) -> bool:
    """Whether a value of a foreign task's options, however nested, can be written as JSON."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and is_finite(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_finite(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int)
