"""The built-in tasks: their names, the function that builds each, and the options it takes.

In: nothing. Out: `BUILTIN_TASKS`, read by the study file's checks, by `agsam-tune list` and by the
loading of a task. It is kept apart from the tasks themselves so that a study file is checked
without importing them: this module must import pydantic alone, and no torch, numpy or sklearn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "BUILTIN_TASKS",
    "CifarOptions",
    "DigitsOptions",
    "MnistOptions",
    "MoonsOptions",
    "NoOptions",
    "PaperMnistOptions",
    "TaskEntry",
]

_STRICT = ConfigDict(
    frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True
)


class NoOptions(BaseModel):
    """The options of a task that has none."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


class MoonsOptions(BaseModel):
    """The options of the task `moons`: two interleaved half circles and a ReLU MLP on them.

    The points that are neither trained on nor used for choosing,
    n - train_size - val_size > 0 of them, are the test split.
    """

    model_config = _STRICT

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


class DigitsOptions(BaseModel):
    """The options of the task `digits`: 1,797 images of 8×8 pixels."""

    model_config = _STRICT

    train_size: int = Field(
        default=1_000, ge=0, description="images to train on; 0 for all that the others leave"
    )
    val_size: int = Field(
        default=297,
        ge=0,
        description="images to choose the best setting on; with 0 the test split serves for both",
    )
    test_size: int = Field(
        default=0, ge=0, description="images to report on; 0 for all that the others leave"
    )
    label_noise: float = Field(
        default=0.0, ge=0, le=1, description="probability that a training label is another class"
    )
    model: Literal["cnn", "mlp"] = Field(
        default="cnn", description="cnn, 6,090 parameters, or mlp, a multilayer perceptron"
    )
    width: int = Field(default=64, ge=1, description="units in each hidden layer of the mlp")
    depth: int = Field(default=2, ge=1, description="hidden layers of the mlp")


class _PublishedOptions(BaseModel):
    """The options of all tasks whose training and test part are published apart."""

    model_config = _STRICT

    train_size: int = Field(
        default=0, ge=0, description="images to train on; 0 for all that val_size leaves"
    )
    val_size: int = Field(
        default=5_000,
        ge=0,
        description="images of the training part to choose the best setting on; with 0 the "
        "test split serves for both",
    )
    test_size: int = Field(default=0, ge=0, description="images to report on; 0 for all")
    label_noise: float = Field(
        default=0.0, ge=0, le=1, description="probability that a training label is another class"
    )


class MnistOptions(_PublishedOptions):
    """The options of `mnist` and `fashion_mnist`: 60,000 and 10,000 images of 28×28 pixels."""

    model: Literal["paper_cnn", "cnn", "mlp"] = Field(
        default="paper_cnn",
        description="paper_cnn, 225,034 parameters, cnn, 5,258, or mlp, a multilayer perceptron",
    )
    width: int = Field(default=128, ge=1, description="units in each hidden layer of the mlp")
    depth: int = Field(default=2, ge=1, description="hidden layers of the mlp")


class CifarOptions(_PublishedOptions):
    """The options of `cifar10` and `cifar100`: 50,000 and 10,000 images of 3×32×32 pixels."""

    model: Literal["resnet", "cnn"] = Field(
        default="resnet",
        description="resnet, with group normalisation, or cnn, three convolutions",
    )
    width: int = Field(
        default=16, ge=4, multiple_of=4, description="channels of the resnet's first stage"
    )
    blocks: int = Field(
        default=1, ge=1, description="residual blocks in each of the resnet's three stages"
    )


class PaperMnistOptions(BaseModel):
    """The options of the paper's MNIST protocol, which takes the first images."""

    model_config = _STRICT

    train_size: int = Field(default=0, ge=0, description="images to train on; 0 for all 60,000")
    test_size: int = Field(default=0, ge=0, description="images to report on; 0 for all 10,000")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEntry:
    """One built-in task.

    Attributes:
        name: what `task = "..."` of a study file says.
        function: where the task is built, as "module:function".
        options: the model of the study file's [task_options]; its defaults are the task's.
        description: one line for `agsam-tune list`.
        data_set: the published files that it reads, as `agsam_tune.data` calls them, or None.
    """

    name: str
    function: str
    options: type[BaseModel]
    description: str
    data_set: str | None = None


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
            TaskEntry(
                name="digits",
                function="agsam_tune.tasks.digits:digits",
                options=DigitsOptions,
                description="scikit-learn's 8×8 digits, a small CNN; needs no download",
            ),
            TaskEntry(
                name="mnist",
                function="agsam_tune.tasks.published:mnist",
                options=MnistOptions,
                description="MNIST, the paper's CNN, a smaller one or an MLP",
                data_set="mnist",
            ),
            TaskEntry(
                name="fashion_mnist",
                function="agsam_tune.tasks.published:fashion_mnist",
                options=MnistOptions,
                description="Fashion-MNIST, the models of mnist",
                data_set="fashion_mnist",
            ),
            TaskEntry(
                name="cifar10",
                function="agsam_tune.tasks.published:cifar10",
                options=CifarOptions,
                description="CIFAR-10, a small ResNet or CNN",
                data_set="cifar10",
            ),
            TaskEntry(
                name="cifar100",
                function="agsam_tune.tasks.published:cifar100",
                options=CifarOptions,
                description="CIFAR-100 with its fine labels, the models of cifar10",
                data_set="cifar100",
            ),
            TaskEntry(
                name="paper_mnist",
                function="agsam_tune.tasks.published:paper_mnist",
                options=PaperMnistOptions,
                description="the paper's own MNIST protocol: raw pixels, binary cross-entropy",
                data_set="mnist",
            ),
        )
    }
)
