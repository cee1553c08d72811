"""The built-in tasks: their names, the function that builds each, and the options it takes.

In: nothing. Out: `BUILTIN_TASKS`, read by the study file's checks, by `agsam-tune list` and by the
loading of a task. It is kept apart from the tasks themselves so that a study file is checked
without importing them: this module must import pydantic alone, and no torch, numpy or sklearn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["BUILTIN_TASKS", "MoonsOptions", "NoOptions", "TaskEntry"]


class NoOptions(BaseModel):
    """The options of a task that has none."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


class MoonsOptions(BaseModel):
    """The options of the task `moons`: two interleaved half circles and a ReLU MLP on them.

    The points that are neither trained on nor used for choosing,
    n - train_size - val_size > 0 of them, are the test split.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True
    )

    n: int = Field(default=10_000, ge=3, description="points drawn in all")
    noise: float = Field(
        default=0.3,
        ge=0,
        description="standard deviation of the Gaussian noise on both coordinates",
    )
    width: int = Field(default=32, ge=1, description="units in each hidden layer")
    depth: int = Field(default=3, ge=1, description="hidden layers")
    train_size: int = Field(default=4_000, ge=2, description="points to train on")
    val_size: int = Field(
        default=2_000,
        ge=0,
        description="points to choose the best setting on; with 0 the test split serves for both",
    )
    label_noise: float = Field(
        default=0.0, ge=0, le=1, description="share of the training labels that are flipped"
    )

    @model_validator(mode="after")
    def _leaves_a_test_split(self) -> "MoonsOptions":
        if self.n - self.train_size - self.val_size <= 0:
            raise ValueError(
                f"train_size + val_size = {self.train_size + self.val_size} of n = {self.n} "
                "points leave none to test on; allowed: train_size + val_size < n"
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEntry:
    """One built-in task.

    Attributes:
        name: what `task = "..."` of a study file says.
        function: where the task is built, as "module:function".
        options: the model of the study file's [task_options]; its defaults are the task's.
        description: one line for `agsam-tune list`.
    """

    name: str
    function: str
    options: type[BaseModel]
    description: str


BUILTIN_TASKS: Mapping[str, TaskEntry] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            TaskEntry(
                name="moons",
                function="agsam_tune.tasks.moons:moons",
                options=MoonsOptions,
                description="two noisy half moons, a ReLU MLP; train, validation and test splits",
            ),
            TaskEntry(
                name="paper_moons",
                function="agsam_tune.tasks.moons:paper_moons",
                options=NoOptions,
                description="the paper's own moons protocol: 7,000 points to train, 3,000 to test",
            ),
        )
    }
)
