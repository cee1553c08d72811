"""The compiled engine against NumPy, PyTorch and the optimizers' definitions."""

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import agsam_tune
from agsam_tune.engine import train_pack
from agsam_tune.engine.blueprint import blueprint
from agsam_tune.engine.compiled.losses import CODES, loss_and_slope
from agsam_tune.engine.compiled.rows import CompiledRows
from agsam_tune.engine.compiled.rules import ASCENTS, DIRECTIONS, ascend, direct, finite
from agsam_tune.engine.compiled.tile import LANES, product
from agsam_tune.engine.losses import Loss
from agsam_tune.models import cifar_cnn, digits_cnn, mnist_cnn, paper_cnn, perceptron
from agsam_tune.optimizers import RULES, optimizer, rules
from agsam_tune.optimizers.rows import of_length
from agsam_tune.study import Sharpness, Training
from agsam_tune.tasks.task import Network, Task
from agsam_tune.trials import Outcome, Pack
from tests.engine.problems import RECIPE, a_pack, a_trial, blobs, same_bits, small_moons
from tests.engine.test_networks import check_gradients, images

pytestmark = pytest.mark.usefixtures("machine_code")


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_products_are_those_of_numpy(dtype: str) -> None:
    rng = np.random.default_rng(0)
    columns = 2 * LANES
    for rows, terms in itertools.product((1, 3, 4, 9, 64), (0, 1, 2, 33)):
        # Whole numbers, so that no order of the sums rounds.
        shapes = ((rows, terms), (max(terms, 1), columns))
        a, b = (rng.integers(-9, 9, size=shape).astype(dtype) for shape in shapes)
        c, turned = (np.full((rows + 1, columns), 7, dtype=dtype) for _ in range(2))
        product(c, columns, a, terms, 1, b, columns, rows, columns, terms)
        flipped = np.ascontiguousarray(a.T)
        product(turned, columns, flipped, 1, rows, b, columns, rows, columns, terms)
        np.testing.assert_array_equal(c[:rows], a @ b[:terms])
        np.testing.assert_array_equal(turned, c)
        assert (c[rows] == 7).all()


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_losses_are_those_of_the_engine(kind: str, outputs: int) -> None:
    rng = np.random.default_rng(1)
    for smoothing, size in itertools.product((0.0, 0.1), (1.0, 300.0)):
        z, y = rng.normal(size=(7, LANES)) * size, rng.integers(max(outputs, 2), size=7)
        slope = np.full_like(z, 9.0)
        loss = loss_and_slope(CODES[kind], smoothing, z, y, outputs, slope)
        wanted_1, slope_1BC = Loss(kind=kind, smoothing=smoothing).value_and_slope(
            torch.tensor(z[None, :, :outputs]), torch.tensor(y[None])
        )
        np.testing.assert_allclose(loss, wanted_1[0].item(), rtol=1e-12)
        np.testing.assert_allclose(slope[:, :outputs], slope_1BC[0], rtol=1e-10, atol=1e-15)
        assert not slope[:, outputs:].any()
    for bad, label in itertools.product((np.nan, np.inf, -np.inf), (0, 1)):
        z, y = np.zeros((2, LANES)), np.array([0, label])
        z[1, :outputs] = bad
        loss = loss_and_slope(CODES[kind], 0.0, z, y, outputs, np.zeros_like(z))
        wanted, _ = Loss(kind=kind).value_and_slope(
            torch.tensor(z[None, :, :outputs]), torch.tensor(y[None])
        )
        assert np.isfinite(loss) == np.isfinite(wanted.item())


SIZES = (0.0, 1e-42, 1e-30, 1e-8, 1.0, 1e8, 1e18)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", ASCENTS)
def test_ascent_steps_are_those_of_the_rules(name: str, exact: bool) -> None:
    rng = np.random.default_rng(0)
    for size in SIZES * 10:
        w, g = (rng.normal(size=40).astype(np.float32) for _ in range(2))
        g *= np.float32(size)
        rho, gamma = np.float32(rng.uniform(0, 3)), np.float32(rng.uniform(0, 1))
        ahead = np.empty_like(w)
        radius = ascend(ASCENTS[name], w, g, rho, gamma, exact, ahead)
        columns = {"rho": torch.tensor([[rho]]), "gamma": torch.tensor([[gamma]])}
        columns = {key: column.double() for key, column in columns.items()}
        step = RULES["gsam" if name == "ball" else name].ascent_step(
            torch.tensor(w[None]).double(), torch.tensor(g[None]).double(), columns
        )
        if exact:
            step = of_length(step, columns["rho"])
        np.testing.assert_allclose(radius, torch.linalg.vector_norm(step).item(), rtol=1e-6)
        np.testing.assert_allclose(ahead, w + step[0].numpy(), rtol=1e-6, atol=1e-6)
        if not size:
            assert radius == 0
            assert (ahead == w).all()


@pytest.mark.parametrize("name", DIRECTIONS)
def test_directions_are_those_of_the_rules(name: str) -> None:
    rng = np.random.default_rng(0)
    columns = {"decomposed": {"alpha_K1"}, "penalised": {"lam_K1"}}.get(name, set())
    for size in SIZES * 10:
        g, gp = (rng.normal(size=40).astype(np.float32) for _ in range(2))
        gp *= np.float32(size)
        weight = np.float32(rng.uniform(0, 1))
        out = np.empty_like(g)
        direct(DIRECTIONS[name], g, gp, weight, out)
        matrices = (torch.tensor(x[None]).double() for x in (g, gp))
        wanted = getattr(rules, name)(
            *matrices, **{c: torch.tensor([[weight]]).double() for c in columns}
        )
        np.testing.assert_allclose(out, wanted[0].numpy(), rtol=1e-5, atol=1e-6 * max(size, 1.0))


def test_equal_gradients_have_no_orthogonal_part() -> None:
    g = np.random.default_rng(2).normal(size=100).astype(np.float32)
    out = np.empty_like(g)
    direct(DIRECTIONS["decomposed"], g, g.copy(), np.float32(0.7), out)
    assert (out == g).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_number_makes_a_row_not_finite(bad: float) -> None:
    row = np.full(1000, np.finfo(np.float32).max, dtype=np.float32)
    assert finite(row)
    row[517] = bad
    assert not finite(row)


RECIPES = {
    name: RECIPE.model_copy(update={"weight_decay": 0.05, **changes})
    for name, changes in {
        "momentum": {},
        "nesterov": {"nesterov": True, "label_smoothing": 0.1},
        "schedules": {"lr_schedule": "cosine", "rho_schedule": "proportional", "warmup": 3},
        "adamw": {"base_optimizer": "adamw", "lr": 0.01},
        "clipped": {"max_grad_norm": 0.5},
    }.items()
}


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_training_is_that_of_the_stacked_way(name: str, recipe: str) -> None:
    """In float32, which trainings have, beside the stacked way's float64.

    They differ by 1e-7, and by 1e-4 where rounding turns a unit on that rests in the other.
    """
    task = small_moons() if recipe == "nesterov" else blobs()
    more = {"sharpness": Sharpness(examples=20)} if (name, recipe) in MEASURED else {}
    _check_training(name, task, RECIPES[recipe], torch.float32, rtol=5e-4, **more)


MEASURED = {("sgd", "momentum"), ("gsam", "schedules"), ("asam", "adamw")}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_training_in_float64_is_that_of_the_stacked_way(name: str, recipe: str) -> None:
    """With machine code of its own; to 1e-6, as rounding grows where rho is large."""
    for task in (small_moons(), blobs()):
        _check_training(
            name, task, RECIPES[recipe], torch.float64, rtol=1e-6, sharpness=Sharpness()
        )


def _check_training(
    name: str, task: Task, recipe: Training, dtype: torch.dtype, *, rtol: float, **more: Any
) -> None:
    """The compiled way in this precision beside the stacked way in float64."""
    train = partial(train_pack, a_pack(name, 4), task, recipe, study_seed=5, **more)
    compiled, stacked = (
        train(way="compiled", dtype=dtype),
        train(way="stacked", dtype=torch.float64),
    )
    for one, other in zip(compiled, stacked, strict=True):
        _close(one, other, rtol=rtol)


def _close(one: Outcome, other: Outcome, *, rtol: float) -> None:
    left, right = (_values(dataclasses.replace(o, seconds=0.0)) for o in (one, other))
    assert left.keys() == right.keys()
    for key, value in left.items():
        if not isinstance(value, float | tuple):
            assert value == right[key], key
            continue
        # A difference of losses has the losses' absolute error; an eigenvalue is iterated.
        scale = 1.0 if "surrogate_gap" in key else 1e-3
        wide = 1e-2 if "sigma" in key else rtol
        np.testing.assert_allclose(value, right[key], rtol=wide, atol=scale * rtol, err_msg=key)


def _values(outcome: Outcome) -> dict[str, object]:
    """All of an outcome, the values of its curve and its sharpness among them."""
    values = dataclasses.asdict(outcome)
    parts = {name: values.pop(name) for name in ("curve", "sharpness")}
    return values | {f"{p}.{key}": v for p, part in parts.items() for key, v in part.items()}


def test_gsam_without_alpha_is_sam_and_without_rho_sgd() -> None:
    def trained(name: str, **values: float) -> Outcome:
        pack = Pack(trials=(a_trial(name, 0, 1, **values),))
        return train_pack(pack, small_moons(), RECIPE, study_seed=1, way="compiled")[0]

    def numbers(outcome: Outcome) -> tuple[object, ...]:
        return outcome.curve.f, outcome.curve.test_accuracy, outcome.test_loss

    assert numbers(trained("gsam", rho=0.3, alpha=0.0)) == numbers(trained("sam", rho=0.3))
    for alpha in (0.0, 0.6):
        assert numbers(trained("gsam", rho=0.0, alpha=alpha)) == numbers(trained("sgd"))


def test_an_optimizer_of_ones_own_is_computed_with_its_own_functions() -> None:
    @optimizer(name="ball_of_ones_own", direction=rules.decomposed)
    def ball(w_KP: torch.Tensor, g_KP: torch.Tensor, *, rho_K1: torch.Tensor) -> torch.Tensor:
        return rules.ball(w_KP, g_KP, rho_K1=2 * rho_K1)

    def trained(name: str, rho: float) -> Outcome:
        pack = Pack(trials=(a_trial(name, 0, 1, rho=rho, alpha=0.2),))
        return train_pack(pack, blobs(), RECIPE, study_seed=1, way="compiled")[0]

    try:
        own, doubled = trained("ball_of_ones_own", 0.1), trained("gsam", 0.2)
    finally:
        del RULES["ball_of_ones_own"]
    np.testing.assert_allclose(own.curve.f, doubled.curve.f, rtol=1e-5)
    np.testing.assert_allclose(own.radius, 0.2, rtol=1e-6)


def _conv(*sizes: int, padding: int = 0, pool: bool = True, last: bool = False) -> list[nn.Module]:
    layers = [nn.Conv2d(*sizes, padding=padding), nn.ReLU()]
    if pool:
        layers.insert(1 if last else 2, nn.MaxPool2d(2))
    return layers


CHAINS = {
    "moons": (lambda: perceptron((2, 32, 32, 32, 1)), (2,), 1),
    "one hidden": (lambda: perceptron((5, 1, 7, 4)), (5,), 4),
    "linear": (lambda: perceptron((3, 1)), (3,), 1),
    "images, dense": (lambda: perceptron((27, 20, 10)), (3, 3, 3), 10),
    "digits_cnn": (digits_cnn, (1, 8, 8), 10),
    "paper_cnn": (paper_cnn, (1, 28, 28), 10),
    "mnist_cnn": (mnist_cnn, (1, 28, 28), 10),
    "cifar_cnn": (lambda: cifar_cnn(7), (3, 32, 32), 7),
    "not pooled": (
        lambda: nn.Sequential(
            *_conv(2, 5, 3, pool=False), *_conv(5, 20, 2, padding=1),
            nn.Flatten(), nn.Linear(240, 1),
        ),
        (2, 7, 9),
        1,
    ),
    "wide kernels": (
        lambda: nn.Sequential(
            *_conv(3, 6, 5, padding=2, last=True), *_conv(6, 33, 1, pool=False),
            nn.Flatten(), nn.Linear(33 * 5 * 4, 12), nn.ReLU(), nn.Linear(12, 3),
        ),
        (3, 11, 9),
        3,
    ),
}  # fmt: skip


LARGE = ("paper_cnn", "cifar_cnn")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in CHAINS],
)
def test_losses_and_gradients_are_those_of_the_module(name: str) -> None:
    build, shape, classes = CHAINS[name]
    # Seven examples, as no tile has.
    x_BD = torch.tensor(np.random.default_rng(1).normal(size=(7, *shape)), dtype=torch.float32)
    plan = blueprint(Network(build=build, outputs=classes), x_BD)
    assert plan.chain is not None
    model = CompiledRows(plan.chain, Loss(), plan.initial)
    assert model.parameters == sum(p.numel() for p in plan.module.parameters())
    check_gradients(model, plan.module, x_BD, classes, torch.float32)


@pytest.mark.parametrize(
    ("name", "optimizer"), [("digits_cnn", "adaptive_gsam"), ("not pooled", "sgd")]
)
def test_a_training_of_convolutions_is_that_of_the_module(name: str, optimizer: str) -> None:
    build, shape, classes = CHAINS[name]
    task, pack = images(build, shape=shape, classes=max(classes, 2)), a_pack(optimizer, 4)
    task = dataclasses.replace(task, model=Network(build=build, outputs=classes))
    train = partial(train_pack, tasks=task, training=RECIPES["momentum"], study_seed=5)
    compiled = train(pack, way="compiled")
    for one, other in zip(compiled, train(pack, way="rows", dtype=torch.float64), strict=True):
        _close(one, other, rtol=5e-4)
    assert same_bits(train(Pack(trials=pack.trials[3:4]), way="compiled")[0], compiled[3])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_numbers_in_an_image_reach_its_loss(bad: float) -> None:
    """As in PyTorch: pooling and ReLU keep NaN."""
    build, shape, classes = CHAINS["digits_cnn"]
    x_BD = torch.randn(3, *shape)
    plan = blueprint(Network(build=build, outputs=classes), x_BD)
    assert plan.chain is not None
    model = CompiledRows(plan.chain, Loss(), plan.initial)
    w_1P = torch.tensor(model.initial(np.random.default_rng(0)), dtype=torch.float32)[None]
    y_1B = torch.zeros(1, 3, dtype=torch.int64)
    for place in [(0, 0), (3, 4), (7, 7)]:
        poisoned = x_BD.clone()
        poisoned[1, 0, place[0], place[1]] = bad
        flat = model.flat(poisoned)[None].contiguous()
        loss_1, _ = model.loss_and_gradient(w_1P, flat, y_1B, torch.zeros_like(w_1P))
        wanted = functional.cross_entropy(plan.module(poisoned), y_1B[0])
        assert torch.isfinite(loss_1[0]) == torch.isfinite(wanted) == torch.tensor(False)


OTHERS = {
    "stride": lambda: [nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)],
    "dilation": lambda: [nn.Conv2d(1, 4, 3, dilation=2), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)],
    "oblong": lambda: [nn.Conv2d(1, 4, (3, 1)), nn.ReLU(), nn.Flatten(), nn.Linear(192, 3)],
    "no bias": lambda: [
        nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    ],
    "circular": lambda: [
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.Flatten(),
        nn.Linear(256, 3),
    ],
    "no ReLU": lambda: [nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)],
    "pool of 3": lambda: [
        nn.Conv2d(1, 4, 3), nn.MaxPool2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    ],
    "overlapping": lambda: [
        nn.Conv2d(1, 4, 3), nn.MaxPool2d(2, stride=1), nn.ReLU(), nn.Flatten(), nn.Linear(100, 3)
    ],
    "rounded up": lambda: [
        nn.Conv2d(1, 4, 2), nn.MaxPool2d(2, ceil_mode=True), nn.ReLU(), nn.Flatten(),
        nn.Linear(64, 3),
    ],
    "average": lambda: [
        nn.Conv2d(1, 4, 3), nn.AvgPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)
    ],
    "tanh": lambda: [nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 3)],
    "dropout": lambda: [
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(144, 3)
    ],
    "frozen": lambda: [
        nn.Conv2d(1, 4, 3).requires_grad_(False), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    ],
    "no classifier": lambda: [nn.Conv2d(1, 3, 8), nn.ReLU(), nn.Flatten()],
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_modules_are_not_taken_for_chains(name: str) -> None:
    network = Network(build=lambda: nn.Sequential(*OTHERS[name]()), outputs=3)
    assert blueprint(network, torch.randn(4, 1, 8, 8)).chain is None


_TRAIN = """
import json, sys
sys.path.insert(0, sys.argv[1])
from agsam_tune.engine.compiled import step
import numpy as np
z = np.zeros((1, 3, 1), dtype=np.float32)
from agsam_tune.engine.chain import Chain, Dense
from agsam_tune.engine.compiled.tables import tables
found = tables(Chain(convolutions=(), dense=(Dense(inputs=2, outputs=1),)), 3, np.float32)
w = np.ones((1, 64), dtype=np.float32)
x, places = np.ones((3, 2), dtype=np.float32), np.arange(3)[None]
step.logits(w, x, places, np.zeros(6, dtype=np.float32), found, z)
assert (z == 3).all(), z
stats = step.logits.stats
print(json.dumps([step.__file__, sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""


@pytest.mark.slow
def test_what_is_compiled_is_kept_until_any_of_its_sources_changes(tmp_path: Path) -> None:
    package = Path(agsam_tune.__file__).parent
    shutil.copytree(
        package, tmp_path / "agsam_tune", ignore=shutil.ignore_patterns("__pycache__", "*.nb?")
    )

    def call(**env: str) -> list[object]:
        done = subprocess.run(
            [sys.executable, "-c", _TRAIN, str(tmp_path)],
            capture_output=True, text=True, check=True, cwd=tmp_path, env={**os.environ, **env},
        )  # fmt: skip
        found: list[object] = json.loads(done.stdout)
        assert str(found[0]).startswith(str(tmp_path))
        return found[1:]

    assert call() == [0, 1]
    assert call() == [1, 0]
    changed = tmp_path / "agsam_tune" / "engine" / "compiled" / "rules.py"
    changed.write_text(changed.read_text("utf-8") + "\n# changed\n", "utf-8")
    assert call() == [0, 1]
    # Where nothing can be kept it is compiled for this process.
    (tmp_path / "sitecustomize.py").write_text(
        "from numba.core import caching\ncaching.CompileResultCacheImpl._locator_classes = []\n"
    )
    assert call(PYTHONPATH=str(tmp_path)) == [0, 1]


def test_bits_do_not_depend_on_the_pack_for_a_wide_softmax() -> None:
    task, pack = blobs(widths=(70, 40, 33, 10)), a_pack("asam", 7)
    whole = train_pack(pack, task, RECIPE, study_seed=1, way="compiled")
    for k in (0, 3, 6):
        alone = train_pack(
            Pack(trials=pack.trials[k : k + 1]), task, RECIPE, study_seed=1, way="compiled"
        )
        assert same_bits(alone[0], whole[k])
