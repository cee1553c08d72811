"""The `Study` record: what one study file says, with every default filled in, and its hash.

In: validated records. Out: one frozen object that the other layers read, a JSON-able form of it
for the manifest, and the list of differences between two of those. Must not import torch, Ray,
Optuna or pandas.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Field, ValidationError, field_validator

from agsam_tune.study.errors import Problems, StudyError, show
from agsam_tune.study.explain import add_validation_error
from agsam_tune.study.first_design import FIRST_DESIGN, upgraded
from agsam_tune.study.hyperparameters import canonical_order
from agsam_tune.study.model import (
    DEFAULT_FACTOR,
    FORMAT,
    PHASE_NAMES,
    AnalysisSettings,
    AsTuple,
    Frozen,
    Packs,
    Phase,
    PositiveInt,
    Record,
    Reference,
    Resources,
    SearchSpace,
    Sharpness,
    Training,
)
from agsam_tune.tasks.catalog import BUILTIN_TASKS

__all__ = ["Study", "changed_keys"]

#: They say where a study runs and how it is described, not what it is: a study may be carried on
#: with others, so they are not part of its hash.
_NOT_HASHED = ("packs", "resources", "replicates", "format")

#: Phases that are for all optimizers unless they say otherwise; the rest is for the pair.
_FOR_ALL = ("map", "default")

#: Keys that came later, with what a study without them means: there they are not part of its
#: hash, so that runs made before stay what they are.
_CAME_LATER: Mapping[str, Mapping[str, Any]] = {
    "training": {
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "max_grad_norm": None,
        "label_smoothing": 0.0,
        "precision": "float32",
    },
    "": {"sharpness": None},
}

_ABSENT = "(absent)"


class Study(Record):
    """One study: a task, a training recipe, optimizers with their search spaces, and phases.

    `load_study` makes one from a file and checks all that concerns several keys at once;
    the constructor checks types and ranges only.
    """

    format: Literal[1, 2] = Field(
        default=FORMAT,
        description="version of the form; a study of 1 can be read and analysed, not run",
    )
    name: str = Field(description="the study file's name without its ending")
    task: str = Field(
        description="a built-in task, one that a package announces, or 'package.module:function'"
    )
    task_options: Annotated[dict[str, Any], Frozen] = Field(
        default_factory=dict,
        description="all options of a built-in task, or those given to one's own",
    )
    optimizers: Annotated[tuple[str, ...], AsTuple, Field(min_length=1)] = Field(
        description="what is compared, in the order of the report"
    )
    candidate: str | None = Field(default=None, description="the optimizer that the claim is about")
    baseline: str | None = Field(default=None, description="what the candidate is compared with")
    control: str | None = Field(
        default=None, description="the baseline's direction with the candidate's length of step"
    )
    seed: int = Field(default=0, ge=0, description="the root of all random streams")
    replicates: PositiveInt = Field(
        default=1, description="independent small studies within the study; not hashed"
    )
    data: Literal["per_replicate", "fixed"] = Field(
        default="per_replicate", description="whether each replicate draws data of its own"
    )
    training: Training = Field(description="the recipe that every trial is trained by")
    search_spaces: Annotated[dict[str, SearchSpace], Frozen] = Field(
        description="optimizer → its search space, the study's overrides applied"
    )
    phases: Annotated[tuple[Phase, ...], AsTuple] = Field(
        description=f"in the order {', '.join(PHASE_NAMES)}"
    )
    analysis: AnalysisSettings = Field(
        default_factory=AnalysisSettings, description="for the report"
    )
    packs: Packs = Field(default_factory=Packs, description="trials trained together; not hashed")
    resources: Resources = Field(default_factory=Resources, description="per pack; not hashed")
    sharpness: Sharpness | None = Field(
        default=None, description="what is measured of the final weights; null for nothing"
    )
    reference: Reference = Field(default_factory=Reference, description="published numbers")

    @field_validator("phases", mode="after")
    @classmethod
    def _in_canonical_order(cls, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        return tuple(sorted(phases, key=lambda phase: PHASE_NAMES.index(phase.name)))

    def phase(self, name: str) -> Phase | None:
        """The phase of this name, one of `PHASE_NAMES`, or None."""
        return next((phase for phase in self.phases if phase.name == name), None)

    def optimizers_of(self, name: str) -> tuple[str, ...]:
        """Whose points the phase trains, in the study's order; () where the study has it not."""
        phase = self.phase(name)
        if phase is None or self._is_not_applicable(name):
            return ()
        if name == "fixed":
            asked: Iterable[str] = {point.optimizer for point in phase.fixed}
        elif phase.optimizers is not None:
            asked = phase.optimizers
        elif name in _FOR_ALL or self.pair is None:
            asked = self.optimizers
        else:
            asked = self.pair
        return tuple(
            optimizer
            for optimizer in self.optimizers
            if optimizer in asked
            and (name in ("map", "fixed") or self.search_spaces[optimizer].names)
        )

    def _is_not_applicable(self, name: str) -> bool:
        """Whether the pair cannot be compared by the phase, so that it has no trials."""
        if name in ("key", "off"):
            return self.key is None
        both = self.compared and all(self.search_spaces[o].ascent for o in self.compared)
        return name == "radius" and not both

    @property
    def compared(self) -> tuple[str, ...]:
        """Whom `key`, `off` and `radius` are made for: the pair, or an optimizer that is alone.

        A run of one optimizer can be compared with another run, when both are imported.
        """
        return self.pair or (self.optimizers if len(self.optimizers) == 1 else ())

    @property
    def pair(self) -> tuple[str, str] | None:
        """The candidate and the baseline, or None where the study has no claim."""
        if self.candidate is None or self.baseline is None:
            return None
        return self.candidate, self.baseline

    def centre(self, optimizer: str) -> dict[str, float]:
        """What `key`, `off` and `radius` are around: hyperparameter → its default."""
        return {
            name: self.search_spaces[self.centre_of(optimizer, name)].ranges[name].default
            for name in self.search_spaces[optimizer].names
        }

    def centre_of(self, optimizer: str, hyperparameter: str) -> str:
        """Whose default `key`, `off` and `radius` are around.

        Of what both of the pair have, that of the one which the study lists first, so that both
        are off around the same, whichever of them is the candidate.
        """
        first = min(self.compared, key=self.optimizers.index, default=optimizer)
        return first if hyperparameter in self.search_spaces[first].names else optimizer

    @property
    def key(self) -> str | None:
        """The hyperparameter that sets the scale of a comparison, or None.

        What the study names, else rho, else lr, if all that are `compared` have it.
        """
        wanted = (self.analysis.key,) if self.analysis.key else ("rho", "lr")
        names = [self.search_spaces[optimizer].names for optimizer in self.compared]
        return next((key for key in wanted if names and all(key in own for own in names)), None)

    @property
    def key_box(self) -> tuple[float, float] | None:
        """The union of the boxes of the key, or None where there is no key."""
        if self.key is None:
            return None
        boxes = [self.search_spaces[name].ranges[self.key] for name in self.compared]
        return min(box.low for box in boxes), max(box.high for box in boxes)

    @property
    def factor(self) -> float:
        """F, by how much everything may be off in `own_scale`."""
        phase = self.phase("off")
        return (phase and phase.factor) or DEFAULT_FACTOR

    @property
    def max_replicates(self) -> int:
        """How far --until-decided may go."""
        return max(self.analysis.max_replicates, self.replicates)

    @property
    def is_fixed(self) -> bool:
        """Whether all points are those of `fixed`, whose seeds are its replicates."""
        return all(phase.name == "fixed" for phase in self.phases)

    @property
    def looks(self) -> tuple[int, ...]:
        """Replicates at the looks that are planned: once, twice, four times … as many.

        One look where nothing is to be decided, or more replicates would change nothing.
        """
        sizes, size = [self.replicates], 2 * self.replicates
        while self.pair is not None and not self.is_fixed and size <= self.max_replicates:
            sizes.append(size)
            size *= 2
        return tuple(sizes)

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """The union over all optimizers: rho, alpha, gamma, then the others by name."""
        return canonical_order(
            name for optimizer in self.optimizers for name in self.search_spaces[optimizer].ranges
        )

    @property
    def foreign_code(self) -> bool:
        """Whether the task or an optimizer is code that is not part of agsam-tune."""
        own_rules = (space.rule for space in self.search_spaces.values())
        return self.task not in BUILTIN_TASKS or any(own_rules)

    def resolved(self) -> dict[str, Any]:
        """All of the study as a JSON-able dict; `from_resolved` is its inverse."""
        return self.model_dump(mode="json")

    @property
    def hash(self) -> str:
        """The SHA-256 of the study's canonical JSON, in 64 hexadecimal digits.

        It does not depend on the order of keys or of phases, nor on what does not change a
        result: `packs`, `resources` and the search spaces' descriptions.
        """
        canonical = json.dumps(
            _identity(self.resolved()), sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    @classmethod
    def from_resolved(cls, resolved: Mapping[str, Any]) -> "Study":
        """The study that `resolved()` was called on, by whatever version.

        Raises:
            StudyError: if `resolved` is not such a dict.
        """
        try:
            known = dict(resolved) if "format" in resolved else upgraded(resolved)
        except (KeyError, TypeError, AttributeError) as error:
            problems = Problems(study_file="the resolved study")
            problems.add(
                "", f"not a study of format {FIRST_DESIGN}: {type(error).__name__}: {error}"
            )
            raise StudyError(problems.found) from error
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            problems = Problems(study_file="the resolved study")
            add_validation_error(problems, error, cls)
            raise StudyError(problems.found) from error


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two resolved studies in the keys that the hash covers.

    Args:
        old: `Study.resolved()` of the one.
        new: `Study.resolved()` of the other.

    Returns:
        lines such as "training.lr: 0.05 → 0.1", keys as in a study file, phases by their name.
        Empty exactly where the two hashes are equal.
    """
    before = dict(_leaves(_identity(old), ""))
    after = dict(_leaves(_identity(new), ""))
    keys = [*before, *(key for key in after if key not in before)]
    return [
        f"{key}: {_shown(before, key)} → {_shown(after, key)}"
        for key in keys
        if _shown(before, key) != _shown(after, key) or before.get(key) != after.get(key)
    ]


def _identity(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved study that decides what its trials and its report are."""
    kept = {key: value for key, value in resolved.items() if key not in _NOT_HASHED}
    spaces = cast("Mapping[str, Mapping[str, Any]]", kept.get("search_spaces", {}))
    kept["search_spaces"] = {name: _space_identity(space) for name, space in spaces.items()}
    if "training" in kept:
        kept["training"] = _without_later(kept["training"], "training")
    return _without_later(kept, "")


def _space_identity(space: Mapping[str, Any]) -> dict[str, Any]:
    """The ranges and, where it is not a built-in, which rule they are of, as a file says it."""
    own: dict[str, Any] = {"optimizer": space["rule"]} if space.get("rule") else {}
    if not space.get("ascent", True):
        own["ascent"] = False
    return {**own, **space.get("ranges", {})}


def _without_later(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The table without the keys that came later and say nothing new."""
    later = _CAME_LATER[name]
    return {key: v for key, v in table.items() if key not in later or v != later[key]}


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    """(dotted key, value) of everything that is not a table or a list of tables."""
    if isinstance(value, Mapping) and (value or not key):
        for name, item in value.items():
            yield from _leaves(item, _file_key(key, name))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(
                item, f"{key}.{item['name']}" if "name" in item else f"{key}[{number}]"
            )
    else:
        yield key, value


def _file_key(parent: str, name: str) -> str:
    """The dotted key of a record's field, as the study file calls it."""
    if name == "hyperparameters":
        return parent
    if (parent, name) == ("phases.fixed", "fixed"):
        return f"{parent}.points"
    return f"{parent}.{name}" if parent else name


def _shown(leaves: Mapping[str, object], key: str) -> str:
    table, _, name = key.rpartition(".")
    value = leaves.get(key, _CAME_LATER.get(table, {}).get(name))
    return show(value) if value is not None else _ABSENT
