"""The contract: every built-in task keeps it, and whatever breaks it is named."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from agsam_tune.contract import (
    TASK_CHECKS,
    ContractError,
    check_rule,
    check_task,
    task_under_test,
)
from agsam_tune.optimizers import decomposed, norm, optimizer, perturbed, rules, unit
from agsam_tune.optimizers.rules import Rule
from agsam_tune.study import StudyError
from agsam_tune.tasks.catalog import BUILTIN_TASKS
from agsam_tune.tasks.task import Mlp, Network, Split, Task
from tests.data.files import cifar10_files, cifar100_files, idx_files, write

SEARCH_SPACES = Path(__file__).parents[2] / "search_spaces"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder with a little of every data set."""
    write(tmp_path / "mnist", idx_files(train=400, test=100))
    write(tmp_path / "fashion_mnist", idx_files(1, train=400, test=100))
    write(tmp_path / "cifar-10-batches-bin", cifar10_files(batches=3, size=100))
    write(tmp_path / "cifar-100-binary", cifar100_files())
    monkeypatch.setenv("AGSAM_TUNE_DATA", str(tmp_path))


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", BUILTIN_TASKS)
def test_built_in_tasks_keep_it(name: str) -> None:
    has_few = "val_size" in BUILTIN_TASKS[name].options.model_fields and name != "moons"
    small = {"width": 4} if name == "cifar10" else {"model": "cnn"} if name == "cifar100" else {}
    subject = task_under_test(name, {"val_size": 100, **small} if has_few else None)
    for promise, check in TASK_CHECKS.items():
        try:
            check(subject)
        except ContractError as error:
            pytest.fail(f"{promise}: {error}")


# ── rules that break it ──────────────────────────────────────────────────────────────────


@pytest.fixture
def build() -> Callable[..., Rule]:
    """Makes a rule of an ascent step, and a direction."""

    def make(step: Callable[..., Tensor], direction: Callable[..., Tensor] = perturbed) -> Rule:
        optimizer(direction=direction, name="broken")(step)
        return rules.RULES.pop("broken")

    return make


def broken(rule: Rule, **arguments: object) -> list[str]:
    with pytest.raises(ContractError) as caught:
        check_rule(rule, **arguments)  # type: ignore[arg-type]
    first, *lines = str(caught.value).splitlines()
    assert first == f"optimizer 'broken' breaks {len(lines)} of its promises:"
    return [line.strip() for line in lines]


def a_row_too_few(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return (rho_K1 * unit(g_KP) + 0 * w_KP)[1:]


def in_float32(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return (rho_K1 * unit(g_KP) + 0 * w_KP).float()


def writes(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return g_KP.mul_(rho_K1 / norm(g_KP).clamp(min=1e-30)) + 0 * w_KP


def random(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return rho_K1 * unit(g_KP) * (1 + 0.01 * torch.rand_like(w_KP))


def norm_of_all_rows(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return rho_K1 * unit(g_KP) * (w_KP / w_KP.norm())


def plain_norm(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return rho_K1 * g_KP / g_KP.norm(dim=1, keepdim=True) + 0 * w_KP


def squared(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return rho_K1 * g_KP * g_KP.abs() + 0 * w_KP


def no_radius(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return (0.01 + rho_K1) * unit(g_KP) + 0 * w_KP


def towards_zero(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return rho_K1 * (unit(g_KP) - w_KP)


def first_rho(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return rho_K1[:1] * unit(g_KP) + 0 * w_KP


def neighbours_rho(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    return rho_K1.roll(1, dims=0) * unit(g_KP) + 0 * w_KP


def idle(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor, slope_K1: Tensor) -> Tensor:
    return rho_K1 * unit(g_KP) + 0 * w_KP + 0 * slope_K1


def raises(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
    raise RuntimeError(f"no\n{w_KP.shape} {g_KP.shape} {rho_K1.shape}")


INDEPENDENT = "rows do not depend on their pack: the ascent step"


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (a_row_too_few, "shapes and precision are kept: the ascent step of torch.float32 rows"),
        (in_float32, "is torch.float32 (7, 37); it must be like its arguments"),
        (writes, "arguments are left alone: it changes g_KP"),
        (random, "the same call gives the same: the ascent step differs between two calls"),
        (norm_of_all_rows, INDEPENDENT),
        (norm_of_all_rows, "a broken row stays alone: NaN in one row changes the ascent step"),
        (plain_norm, "a zero gradient gives no step and no NaN: the ascent step has NaN"),
        (plain_norm, "tiny and huge gradients give finite numbers: the ascent step has NaN"),
        (plain_norm, "unit(), norm() and orthogonal() of agsam_tune.optimizers are safe"),
        (squared, "the ascent step has NaN or infinity where gradients are about 2e+19"),
        (no_radius, "rho = 0 gives no step: the ascent step is not zero where rho is"),
        (towards_zero, "the ascent step is not zero where the gradient is"),
        (first_rho, "each hyperparameter acts, on its own row: rho has no effect"),
        (neighbours_rho, "each hyperparameter acts, on its own row: rho of one row acts on others"),
        (idle, "each hyperparameter acts, on its own row: slope has no effect"),
        (raises, "shapes and precision are kept: it raised RuntimeError: no torch.Size([7, 37])"),
    ],
)
def test_a_rule_that_breaks_it_is_told(
    build: Callable[..., Rule], step: Callable[..., Tensor], says: str
) -> None:
    assert any(says in line for line in broken(build(step)))


def test_only_what_is_broken_is_said(build: Callable[..., Rule]) -> None:
    (line,) = broken(build(no_radius, decomposed))
    assert line.startswith("rho = 0")
    (line,) = broken(build(idle))
    assert line.startswith("each hyperparameter acts")


def test_values_can_be_given(build: Callable[..., Rule]) -> None:
    def above_one(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor, slope_K1: Tensor) -> Tensor:
        return rho_K1 * unit(g_KP) * (slope_K1 - 1).clamp(min=0) + 0 * w_KP

    broken(build(above_one))
    check_rule(build(above_one), values={"slope": 4.0})


def test_a_search_space_is_checked_with_it(build: Callable[..., Rule], tmp_path: Path) -> None:
    rule = build(rules.ball)
    check_rule(rule, search_space=SEARCH_SPACES / "sam.toml")
    (line,) = broken(rule, search_space=SEARCH_SPACES / "gsam.toml")
    assert "it takes rho, but the search space has alpha, rho" in line
    (tmp_path / "mine.toml").write_text('optimizer = "a:b"\n[rho]\nlow = 1\n')
    with pytest.raises(StudyError, match="missing"):
        check_rule(rule, search_space=tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("given", "says"),
    [("no.such:rule", "there is no module no"), (3, "found int 3"), (broken, "without the decor")],
)
def test_what_is_no_rule_is_told(given: Rule, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        check_rule(given)


# ── tasks that break it ──────────────────────────────────────────────────────────────────


def good(*, seed: int, n: int = 60) -> Task:
    rng = np.random.default_rng(seed)
    splits = [
        Split(x=rng.normal(size=(n, 2)).astype(np.float32), y=np.arange(n) % 3) for _ in range(3)
    ]
    names = ("train", "validation", "test")
    return Task(name="good", model=Mlp(widths=(2, 4, 3)), **dict(zip(names, splits, strict=True)))


def with_model(model: Network) -> Callable[..., Task]:
    return lambda *, seed: replace(good(seed=seed), model=model)


def with_split(change: Callable[[Task, Split], Split], name: str = "test") -> Callable[..., Task]:
    def build(*, seed: int) -> Task:
        task = good(seed=seed)
        return replace(task, **{name: change(task, getattr(task, name))})

    return build


def changing() -> Callable[..., Task]:
    counter: Iterator[int] = iter(range(100))
    return lambda *, seed: good(seed=seed + next(counter))


class Stateful(nn.Module):
    """Batch normalisation, whose running means change in a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Unseeded(nn.Linear):
    def reset_parameters(self) -> None:
        draws = np.random.default_rng().normal(size=self.weight.shape)
        self.weight.data = torch.from_numpy(draws).float()
        self.bias.data.zero_()


def infinite() -> nn.Module:
    module = nn.Linear(2, 3)
    module.bias.data.fill_(torch.inf)
    return module


def leak(task: Task, split: Split) -> Split:
    x = split.x.copy()
    x[:20] = task.train.x[:20]
    return Split(x=x, y=split.y)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (changing(), "the same seed gives the same data: two calls with seed=0 gave different"),
        (
            lambda *, seed: replace(good(seed=seed), name=f"good{seed}"),
            "every seed gives the same kind of task: its name is 'good0', but 'good1'",
        ),
        (
            lambda *, seed: replace(good(seed=seed), model=Mlp(widths=(2, 4 + seed, 3))),
            "its model has 27 parameters, but 33 with another seed",
        ),
        (lambda *, seed: replace(good(seed=seed), name="\n"), "it has a name: Task.name is"),
        (
            with_split(lambda _, split: Split(x=split.x, y=np.zeros_like(split.y))),
            "the test split has one class alone, so accuracy says nothing there",
        ),
        (
            with_split(lambda _, split: Split(x=split.x, y=split.y % 2), "train"),
            "the validation split has labels that the train split has not: 2",
        ),
        (
            with_split(leak),
            "an example belongs to one split: 20 of the 60 examples of the test split are in "
            "the train split too",
        ),
        (
            with_split(lambda task, _: task.train, "validation"),
            "60 of the 60 examples of the validation split are in the train split too",
        ),
        (
            with_model(Network(build=lambda: nn.Linear(3, 3), outputs=3)),
            "the model takes the examples: the model (Linear) does not take examples (3, 2)",
        ),
        (
            with_model(Network(build=lambda: nn.Linear(2, 4), outputs=3)),
            "returns (3, 4) for 3 examples, not (B, 3)",
        ),
        (
            with_model(Network(build=Stateful, outputs=3)),
            "the model (Stateful) changes its own state in a forward pass",
        ),
        (
            with_model(Network(build=lambda: Unseeded(2, 3), outputs=3)),
            "two models of one seed start from different weights",
        ),
        (with_model(Network(build=infinite, outputs=3)), "weights that are NaN or infinite"),
    ],
)
def test_a_task_that_breaks_it_is_told(task: Callable[..., Task], says: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_task(task)
    assert "breaks 1 of its promises:" in str(caught.value)
    assert says in str(caught.value)


def test_a_good_task_keeps_it_with_its_options() -> None:
    check_task(good)
    check_task(good, {"n": 90}, seed=5)


@pytest.mark.parametrize(
    ("task", "options", "says"),
    [
        (good, {"m": 3}, "task 'good' could not be built: TypeError: .*unexpected keyword"),
        (good, {"n": 0}, "task 'good' could not be built: ValueError: task good: train.x"),
        (lambda *, seed: seed, {}, "returned a int, not a Task"),
        ("moons", {"n": -5}, "task 'moons' could not be built"),
        ("no.such:task", {}, "task 'no.such:task': there is no module no"),
    ],
)
def test_what_cannot_be_built_is_told(
    task: Callable[..., Task] | str, options: dict[str, object], says: str
) -> None:
    with pytest.raises(ContractError, match=says):
        check_task(task, options)


def test_twins_among_the_data_are_not_held_against_a_task() -> None:
    """Coarse data, where most examples have a twin, split at random."""

    def coarse(*, seed: int) -> Task:
        rng = np.random.default_rng(seed)
        x = rng.integers(8, size=(3, 400, 2)).astype(np.float32)
        splits = [Split(x=part, y=rng.integers(2, size=400)) for part in x]
        names = ("train", "validation", "test")
        model = Mlp(widths=(2, 4, 1))
        return Task(name="coarse", model=model, **dict(zip(names, splits, strict=True)))

    for seed in range(5):
        check_task(coarse, seed=seed)


def test_a_default_of_zero_is_not_what_a_rule_is_checked_at(tmp_path: Path) -> None:
    @optimizer(direction=perturbed, name="shifted")
    def shifted(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor, shift_K1: Tensor) -> Tensor:
        return rho_K1 * (unit(g_KP) * (1 + shift_K1))

    space = tmp_path / "shifted.toml"
    space.write_text(
        'optimizer = "my_rules:shifted"\n'
        "[rho]\nlow = 0.1\nhigh = 1.0\ndefault = 0.1\n"
        "[shift]\nlow = 0.0\nhigh = 1.0\ndefault = 0.0\n"
    )
    check_rule(shifted, search_space=space)
