"""Any module as the rows of a matrix: gradients, bits, ways that agree, what is refused."""

import math
import threading
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from agsam_tune.engine import ModelError, train_pack
from agsam_tune.engine.blueprint import blueprint
from agsam_tune.engine.layout import LANES, row_aligned
from agsam_tune.engine.losses import Loss
from agsam_tune.engine.network import NetworkRows, NetworkVmap
from agsam_tune.engine.pack_model import PackModel
from agsam_tune.engine.ways import pack_model, possible_ways, task_blueprint
from agsam_tune.models import digits_cnn, perceptron, resnet
from agsam_tune.study import Training
from agsam_tune.tasks.task import Mlp, Network, Split, Task
from agsam_tune.trials import Outcome, Pack
from tests.engine.problems import RECIPE, a_pack, blobs, same_bits

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("machine_code")


def images(
    build: object = digits_cnn,
    *,
    shape: tuple[int, ...] = (1, 8, 8),
    classes: int = 10,
    seed: int = 0,
) -> Task:
    """Blurred prototypes with noise, in a quarter of a second."""
    rng = np.random.default_rng(seed)
    prototypes = rng.normal(size=(classes, *shape))

    def split(size: int) -> Split:
        y = rng.integers(classes, size=size)
        x = prototypes[y] + rng.normal(size=(size, *shape)) * 0.7
        return Split(x=x.astype(np.float32), y=y)

    return Task(
        name="images",
        train=split(110),
        validation=split(40),
        test=split(60),
        model=Network(build=build, outputs=classes),  # type: ignore[arg-type]
    )


class Odd(nn.Module):
    """A parameter that is not a matrix, one that is used twice, one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.square = nn.Linear(5, 5)
        self.unused = nn.Parameter(torch.ones(3, 2))
        self.out = nn.Linear(5, 3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.square(torch.tanh(self.square(x)) * self.scale))
        return self.frozen(self.out(h))


class Dropped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(functional.dropout(torch.relu(self.a(x)), 0.4, self.training))


class Dense(nn.Module):
    """A dense layer with a forward pass of the test's own."""

    def __init__(self, forward: object, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.out = nn.Linear(5, 3, dtype=dtype)
        self.register_buffer("count", torch.zeros(()), persistent=False)
        self.calls = 0
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self._forward(self, x)  # type: ignore[operator]
        return logits


def _no_graph(module: Dense, x: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = module.out(x)
        return logits


def _counted(module: Dense, x: Tensor) -> Tensor:
    module.count += 1
    logits: Tensor = module.out(x)
    return logits


def _remembered(module: Dense, x: Tensor) -> Tensor:
    module.calls += 1
    logits: Tensor = module.out(x) * module.calls
    return logits


def _seldom_dropped(module: Dense, x: Tensor) -> Tensor:
    """Stochastic depth: one draw a pass, which seldom changes anything."""
    kept = not module.training or bool(torch.rand(()) > 0.05)
    logits: Tensor = module.out(x) * kept
    return logits


def _unbuildable() -> nn.Module:
    raise OSError("no such\nfile")


def norm_first() -> nn.Module:
    return nn.Sequential(nn.GroupNorm(1, 4), nn.Flatten(), nn.Linear(64, 10))


def norm_after_frozen() -> nn.Module:
    frozen = nn.Conv2d(4, 8, 3, padding=1).requires_grad_(False)
    return nn.Sequential(frozen, nn.GroupNorm(2, 8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))


MODULES = {
    "norm_first": (norm_first, (4, 4, 4), 10),
    "norm_after_frozen": (norm_after_frozen, (4, 4, 4), 10),
    "digits_cnn": (digits_cnn, (1, 8, 8), 10),
    "resnet": (lambda: resnet(10, width=4), (3, 8, 8), 10),
    "odd": (Odd, (5,), 3),
    "perceptron": (lambda: perceptron((5, 16, 16, 3)), (5,), 3),
}


@pytest.mark.parametrize("kind", [NetworkRows, NetworkVmap])
@pytest.mark.parametrize("name", MODULES)
def test_loss_and_gradient_are_those_of_the_module_itself(
    name: str, kind: type[NetworkRows]
) -> None:
    build, shape, classes = MODULES[name]
    rng = np.random.default_rng(1)
    x_BD = torch.tensor(rng.normal(size=(6, *shape)), dtype=torch.float32)
    plan = blueprint(Network(build=build, outputs=classes), x_BD)
    model = kind(plan, shape, Loss(), device=CPU, dtype=torch.float64)
    check_gradients(model, plan.module, x_BD, classes)


def check_gradients(
    model: PackModel,
    module: torch.nn.Module,
    x_BD: torch.Tensor,
    classes: int,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Losses, logits and gradients of three rows beside the module's own, by autograd."""
    rng = np.random.default_rng(2)
    initial = np.stack([model.initial(np.random.default_rng(k)) for k in range(3)])
    w_KP = torch.tensor(initial, dtype=dtype)
    assert model.width % LANES == 0
    y_KB = torch.tensor(rng.integers(max(classes, 2), size=(3, len(x_BD))))
    flat = model.flat(x_BD.to(dtype))
    x_KBD = row_aligned((3, *flat.shape), flat).copy_(flat.expand(3, -1, -1))
    loss_K, g_KP = model.loss_and_gradient(w_KP, x_KBD, y_KB, torch.zeros_like(w_KP))
    z_KBC = model.logits(w_KP, flat)
    module = module.double()
    parameters = [p for p in module.parameters() if p.requires_grad]
    # Of float32 what is left of sums that cancel.
    rtol, atol = (1e-9, 1e-12) if dtype is torch.float64 else (1e-4, 3e-6)
    close = partial(torch.testing.assert_close, rtol=rtol, atol=atol, check_dtype=False)
    for k in range(3):
        for parameter, row in zip(parameters, model.unpacked(w_KP), strict=True):
            parameter.data = row[k].double().contiguous()
        logits = module(x_BD.double())
        if classes == 1:
            loss = functional.binary_cross_entropy_with_logits(logits[:, 0], y_KB[k].double())
        else:
            loss = functional.cross_entropy(logits, y_KB[k])
        close(loss_K[k], loss.detach())
        close(z_KBC[k], logits.detach())
        wanted = torch.autograd.grad(loss, parameters, allow_unused=True)
        for found, gradient in zip(model.unpacked(g_KP), wanted, strict=True):
            close(found[k], torch.zeros_like(found[k]) if gradient is None else gradient)


def _train(task: Task, pack: Pack, way: str, recipe: Training = RECIPE) -> tuple[Outcome, ...]:
    return train_pack(pack, task, recipe, study_seed=3, way=way)


@pytest.mark.parametrize(
    ("build", "shape", "classes"),
    [(digits_cnn, (1, 8, 8), 10), (Dropped, (5,), 3)],
    ids=["cnn", "dropout"],
)
def test_bits_do_not_depend_on_the_pack(
    build: object, shape: tuple[int, ...], classes: int
) -> None:
    task, whole = images(build, shape=shape, classes=classes), a_pack("adaptive_gsam", 7)
    together = _train(task, whole, "rows")
    for part in (slice(1), slice(3, 6), slice(6, 7)):
        alone = _train(task, Pack(trials=whole.trials[part]), "rows")
        assert all(map(same_bits, alone, together[part]))


def test_the_ways_agree() -> None:
    pack = a_pack("adaptive_gsam", 4)
    _agree(_train(images(), pack, "rows"), _train(images(), pack, "vmap"))
    stacked = _train(blobs(), pack, "stacked")
    for way in ("compiled", "rows", "vmap"):
        _agree(stacked, _train(blobs(), pack, way))


def _agree(one: tuple[Outcome, ...], other: tuple[Outcome, ...]) -> None:
    """To 1e-3 of the losses after a training: rounding, which the steps amplify."""
    for a, b in zip(one, other, strict=True):
        assert a.diverged == b.diverged is False
        np.testing.assert_allclose(a.curve.f, b.curve.f, rtol=1e-3)
        np.testing.assert_allclose(a.train_loss, b.train_loss, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(a.radius, b.radius, rtol=1e-4)


def test_a_module_of_dense_layers_is_computed_as_a_perceptron() -> None:
    task = blobs()
    module = Network(build=lambda: perceptron((5, 13, 9, 3)), outputs=3)
    own = Task(name="own", train=task.train, validation=None, test=task.test, model=module)
    plan = task_blueprint(own)
    assert plan.widths == (5, 13, 9, 3)
    assert possible_ways(plan, RECIPE, device=CPU) == ("compiled", "stacked", "rows")
    models = [
        pack_model(own, RECIPE, way=w, device=CPU, dtype=torch.float64)
        for w in ("compiled", "stacked", "rows")
    ]
    parts = [m.unpacked(torch.tensor(m.initial(np.random.default_rng(5)))[None]) for m in models]
    for first, *others in zip(*parts, strict=True):
        assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: (nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)),
        lambda: (nn.Linear(5, 4, bias=False), nn.ReLU(), nn.Linear(4, 3)),
        lambda: (nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU()),
        lambda: (nn.Linear(5, 4), nn.Linear(4, 3)),
        lambda: (nn.Linear(5, 4).requires_grad_(False), nn.ReLU(), nn.Linear(4, 3)),
        lambda: [layer := nn.Linear(5, 5), nn.ReLU(), layer, nn.ReLU(), nn.Linear(5, 3)],
    ],
)
def test_other_modules_are_not_taken_for_perceptrons(layers: object) -> None:
    model = Network(build=lambda: nn.Sequential(*layers()), outputs=3)  # type: ignore[operator]
    assert blueprint(model, torch.randn(4, 5)).widths is None


def test_frozen_parameters_stay() -> None:
    plan = blueprint(Network(build=Odd, outputs=3), torch.randn(4, 5))
    model = NetworkRows(plan, (5,), Loss(), device=CPU, dtype=torch.float32)
    assert model.parameters == 1 + 30 + 6 + 18


def test_dropout_has_the_same_mask_in_both_passes_and_none_in_evaluation() -> None:
    plan = blueprint(Network(build=Dropped, outputs=3), torch.randn(4, 5))
    assert plan.stochastic
    model = NetworkRows(plan, (5,), Loss(), device=CPU, dtype=torch.float32)
    w_KP = torch.tensor(model.initial(np.random.default_rng(0)), dtype=torch.float32)[None]
    x_KBD, y_KB = torch.randn(1, 8, 5), torch.zeros(1, 8, dtype=torch.int64)
    before = torch.get_rng_state()
    first, again, other = (
        model.loss_and_gradient(w_KP, x_KBD, y_KB, torch.zeros_like(w_KP), [seed])[1]
        for seed in (4, 4, 5)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(model.logits(w_KP, x_KBD[0]), model.logits(w_KP, x_KBD[0]))
    with pytest.raises(ModelError, match="row by row"):
        NetworkVmap(plan, (5,), Loss(), device=CPU, dtype=torch.float32)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)), "running_mean.*GroupNorm"),
        (lambda: nn.Sequential(nn.Linear(4, 3)), "does not take examples"),
        (lambda: nn.Sequential(nn.Linear(5, 4)), "returns \\(4, 4\\) for 4 examples"),
        (lambda: nn.ReLU(), "no parameters"),
        (lambda: 3, "not a torch.nn.Module"),
        (lambda: nn.LSTM(5, 3), "returns tuple"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "lazy layers"),
        (lambda: Dense(lambda m, x: _no_graph(m, x)), "in training: RuntimeError"),
        (lambda: Dense(lambda m, x: m.out(x.sub_(1.0))), "changes its examples in place"),
        (lambda: Dense(_counted), "changes its own state in a forward pass: count"),
        (lambda: Dense(_remembered), "returns other logits for the same examples"),
        (lambda: Dense(lambda m, x: functional.dropout(m.out(x))), "numbers in evaluation"),
        (lambda: Dense(lambda m, x: m.out(x) if m.training else 1 / 0), "in evaluation: ZeroDiv"),
        (lambda: Dense(lambda m, x: m.out(x).abs(), dtype=torch.complex64), "complex parameters"),
        (_unbuildable, "Network.build raised OSError: no such file$"),
    ],
)
def test_modules_that_cannot_be_trained_are_refused(build: object, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        blueprint(Network(build=build, outputs=3), torch.randn(4, 5))  # type: ignore[arg-type]


def test_whether_a_module_is_random_does_not_depend_on_luck() -> None:
    plan = blueprint(Network(build=lambda: Dense(_seldom_dropped), outputs=3), torch.randn(4, 5))
    assert plan.stochastic


def test_looking_at_a_module_leaves_the_task_as_it_is() -> None:
    task = images(lambda: Dense(lambda m, x: m.out(x.mul_(2.0))), shape=(5,), classes=3)
    before = task.digest()
    with pytest.raises(ModelError, match="in place"):
        task_blueprint(task)
    assert task.digest() == before


def test_a_module_that_cannot_be_copied_trains() -> None:
    def build() -> nn.Module:
        module = Dense(lambda m, x: m.out(x))
        module.lock = threading.Lock()
        return module

    task = images(build, shape=(5,), classes=3)
    assert math.isfinite(_train(task, a_pack("gsam", 2), "rows")[0].train_loss)


def test_a_layer_with_a_hook_on_its_gradients_is_not_a_perceptrons() -> None:
    def build() -> nn.Module:
        module = perceptron((5, 4, 3))
        module[3].register_full_backward_hook(lambda *_: None)
        return module

    assert blueprint(Network(build=build, outputs=3), torch.randn(4, 5)).widths is None


def test_pooling_before_relu_is_relu_before_pooling_to_the_bit() -> None:
    module, x = digits_cnn(), torch.randn(9, 1, 8, 8)
    layers = [*module]
    layers[1:3], layers[4:6] = layers[2:0:-1], layers[5:3:-1]
    assert type(layers[1]) is nn.ReLU
    one, two = (
        torch.autograd.grad(m(x).square().sum(), [*m.parameters()])
        for m in (module, nn.Sequential(*layers))
    )
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_batch_norm_without_running_statistics_trains() -> None:
    def build() -> nn.Module:
        return nn.Sequential(
            nn.Linear(5, 16), nn.BatchNorm1d(16, track_running_stats=False), nn.ReLU(),
            nn.Linear(16, 3),
        )  # fmt: skip

    task = images(build, shape=(5,), classes=3)
    for outcome in _train(task, a_pack("gsam", 2), "rows"):
        assert math.isfinite(outcome.train_loss)


def test_models_of_one_seed_begin_alike_and_others_differ() -> None:
    plan = blueprint(Network(build=digits_cnn, outputs=10), torch.randn(2, 1, 8, 8))
    model = NetworkRows(plan, (1, 8, 8), Loss(), device=CPU, dtype=torch.float32)
    before = torch.get_rng_state()
    first, again, other = (model.initial(np.random.default_rng(s)) for s in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(first, again)
    assert (first != other).sum() > 6000


def test_a_network_learns_and_diverges_like_a_perceptron() -> None:
    recipe = Training(epochs=6, batch_size=32, lr=0.1, momentum=0.9)
    learnt = _train(images(), a_pack("sgd", 1), "rows", recipe)[0]
    assert learnt.test_accuracy > 0.9
    wild = Training(epochs=2, batch_size=32, lr=1e30)
    lost = _train(images(), a_pack("sgd", 1), "rows", wild)[0]
    assert lost.diverged
    assert lost.diverged_step is not None


def test_bfloat16_is_near_float32() -> None:
    recipe = Training(epochs=1, batch_size=32, lr=0.05)
    half = recipe.model_copy(update={"precision": "bfloat16"})
    plan = task_blueprint(blobs())
    assert possible_ways(plan, half, device=CPU) == ("rows",)
    with pytest.raises(ModelError, match="bfloat16"):
        pack_model(blobs(), half, way="stacked", device=CPU, dtype=torch.float32)
    one = _train(images(), a_pack("gsam", 2), "rows", recipe)
    other = _train(images(), a_pack("gsam", 2), "rows", half)
    for a, b in zip(one, other, strict=True):
        assert a.train_loss != b.train_loss
        np.testing.assert_allclose(a.train_loss, b.train_loss, rtol=0.05)


def test_the_perceptron_of_a_task_takes_images() -> None:
    task = images()
    flat = Task(
        name="flat",
        train=task.train,
        validation=None,
        test=task.test,
        model=Mlp(widths=(64, 9, 10)),
    )
    _agree(_train(flat, a_pack("sam", 2), "stacked"), _train(flat, a_pack("sam", 2), "rows"))
