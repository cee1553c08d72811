"""The image tasks: splits, scaling, label noise, models, and what the seed fixes."""

import inspect
import json
import math
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, chi2

from agsam_tune.errors import UsageError
from agsam_tune.tasks.catalog import BUILTIN_TASKS
from agsam_tune.tasks.digits import digits
from agsam_tune.tasks.images import stratified_order, with_label_noise
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.published import cifar10, cifar100, fashion_mnist, mnist, paper_mnist
from agsam_tune.tasks.task import Mlp, Network, Task
from tests.data.files import cifar10_files, cifar100_files, idx_files, write

ROOT = Path(__file__).parents[2]
TRAIN, TEST = 400, 100
IDX = idx_files(train=TRAIN, test=TEST)
PIXELS = np.frombuffer(IDX["train-images-idx3-ubyte"][16:], np.uint8).reshape(TRAIN, 1, 28, 28)
LABELS = np.frombuffer(IDX["train-labels-idx1-ubyte"][8:], np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a little of every data set, all of them of the tests' own."""
    folder = tmp_path_factory.mktemp("data")
    write(folder / "mnist", IDX)
    write(folder / "fashion_mnist", idx_files(1, train=TRAIN, test=TEST))
    write(folder / "cifar-10-batches-bin", cifar10_files(batches=3, size=100))
    write(folder / "cifar-100-binary", cifar100_files())
    return folder


@pytest.fixture(autouse=True)
def data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGSAM_TUNE_DATA", str(folder))


def _small(name: str, **options: object) -> Task:
    """A built-in task with a validation split that the small files have enough images for."""
    sizes = {} if name in ("digits", "paper_mnist") else {"val_size": 50}
    return load_task(name, {**sizes, **options}, seed=3)


IMAGE_TASKS = ["digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "paper_mnist"]
SPLIT_TASKS = IMAGE_TASKS[:-1]


@pytest.mark.parametrize(
    ("name", "sizes", "shape", "parameters"),
    [
        ("digits", (1000, 297, 500), (1, 8, 8), 6_090),
        ("mnist", (350, 50, 100), (1, 28, 28), 225_034),
        ("fashion_mnist", (350, 50, 100), (1, 28, 28), 225_034),
        ("cifar10", (250, 50, 100), (3, 32, 32), 77_850),
        ("cifar100", (150, 50, 100), (3, 32, 32), 83_700),
        ("paper_mnist", (400, 0, 100), (1, 28, 28), 225_034),
    ],
)
def test_sizes_shapes_and_models(
    name: str, sizes: tuple[int, ...], shape: tuple[int, ...], parameters: int
) -> None:
    task = _small(name)
    facts = task.facts()
    assert (facts["train"], facts["validation"], facts["test"]) == sizes
    assert task.train.inputs().shape[1:] == shape
    assert task.train.inputs().dtype == np.float32
    assert facts["parameters"] == parameters
    assert json.loads(json.dumps(facts)) == facts
    assert facts["source"]["data_set"]


@pytest.mark.parametrize("name", SPLIT_TASKS)
def test_pixels_are_standardised_on_the_part_to_train_on(name: str) -> None:
    """Not on what is drawn from it, so that all replicates share the inputs."""
    task = _small(name)
    axes = (0, 2, 3)
    drawn = np.concatenate([task.train.inputs(), task.choosing.inputs()])
    np.testing.assert_allclose(drawn.mean(axes, dtype=float), 0, atol=1e-6)
    np.testing.assert_allclose(drawn.std(axes, dtype=float), 1, atol=1e-6)
    assert np.abs(task.test.inputs().mean(axes, dtype=float)).max() > 1e-5


def test_pixels_are_scaled_by_the_formula() -> None:
    task = mnist(seed=0, val_size=0)
    assert task.validation is None
    unit = PIXELS / 255
    expected = (unit - unit.mean()) / unit.std()
    np.testing.assert_allclose(task.train.inputs(), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(task.train.y, LABELS)


def test_images_of_one_colour_are_no_division_by_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    black = IDX["train-images-idx3-ubyte"][:16] + bytes(TRAIN * 784)
    write(tmp_path / "mnist", {**IDX, "train-images-idx3-ubyte": black})
    monkeypatch.setenv("AGSAM_TUNE_DATA", str(tmp_path))
    assert not mnist(seed=0, val_size=50).train.x.any()


@pytest.mark.parametrize("name", SPLIT_TASKS)
def test_splits_are_disjoint_and_whole(name: str) -> None:
    task = _small(name)
    assert task.validation is not None
    splits = [task.train, task.validation] + ([task.test] if name == "digits" else [])
    images = np.concatenate([s.inputs().reshape(len(s.inputs()), -1) for s in splits])
    count = {"digits": 1797, "cifar10": 300, "cifar100": 200}.get(name, TRAIN)
    assert len(images) == count
    assert len(np.unique(images, axis=0)) == count


@pytest.mark.parametrize("name", SPLIT_TASKS)
def test_subsets_are_stratified(name: str) -> None:
    """Each class keeps its share of the whole to within one image, or two beginnings' ends."""
    everything = np.bincount(np.concatenate([s.y for s in _all(name)]))
    share = everything / everything.sum()
    for train, validation in ((100, 50), (37, 13), (101, 99)):
        options = {"train_size": train, "val_size": validation, "test_size": 50}
        task = load_task(name, options, seed=1)
        for split in (task.train, task.choosing):
            counts = np.bincount(split.y, minlength=len(share))
            assert np.abs(counts - share * len(split.y)).max() <= 2, counts


def _all(name: str) -> list[object]:
    task = load_task(name, {"val_size": 0}, seed=1)
    return [task.train, task.test] if name == "digits" else [task.train]


def test_a_beginning_of_the_stratified_order_has_every_class_in_its_share() -> None:
    random = np.random.default_rng(5)
    labels = random.permutation(np.repeat([0, 1, 2], [600, 300, 100]))
    order = stratified_order(labels, random)
    assert sorted(order) == list(range(1000))
    ordered = labels[order]
    for count in range(1, 1001):
        counts = np.bincount(ordered[:count], minlength=3)
        assert np.abs(counts - count * np.array([0.6, 0.3, 0.1])).max() <= 1


def _key(task: Task, split: str) -> set[bytes]:
    """The split's images, whatever their scaling."""
    x = getattr(task, split).inputs()
    return {np.argsort(image, axis=None, kind="stable").tobytes() for image in x}


def test_a_smaller_training_split_is_a_part_of_a_larger_one() -> None:
    small, large = (mnist(seed=0, val_size=50, train_size=n) for n in (60, 200))
    assert _key(small, "train") < _key(large, "train")
    assert _key(small, "validation") == _key(large, "validation")
    assert len(_key(small, "train")) == 60
    few, many = (mnist(seed=0, val_size=50, test_size=n) for n in (20, 0))
    assert _key(few, "test") < _key(many, "test")
    digits_of = [digits(seed=0, train_size=n, test_size=400) for n in (100, 1000)]
    assert _key(digits_of[0], "test") == _key(digits_of[1], "test")
    assert _key(digits_of[0], "train") < _key(digits_of[1], "train")


@pytest.mark.parametrize("name", IMAGE_TASKS)
def test_a_task_is_fixed_by_the_study_s_seed(name: str) -> None:
    options = {} if name == "paper_mnist" else {"label_noise": 0.3, "val_size": 50}
    one, again, other = (load_task(name, options, seed=seed) for seed in (1, 1, 2))
    assert one.digest() == again.digest()
    assert (one.digest() == other.digest()) is (name == "paper_mnist")


def test_a_task_is_the_same_in_a_fresh_process_and_imports_little() -> None:
    program = (
        "import sys, numpy; numpy.random.seed(7)\n"
        "from agsam_tune.tasks.published import mnist\n"
        "print(mnist(seed=4, val_size=50, label_noise=0.2).digest())\n"
        "heavy = 'torch ray optuna pandas scipy sklearn requests'.split()\n"
        "sys.exit(str([name for name in heavy if name in sys.modules] or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stderr.strip() == ""
    assert done.stdout.strip() == mnist(seed=4, val_size=50, label_noise=0.2).digest()


@pytest.mark.parametrize("name", SPLIT_TASKS)
def test_label_noise_is_on_training_labels_only(name: str) -> None:
    share = 0.4
    clean, noisy = _small(name), _small(name, label_noise=share)
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(
            getattr(clean, split).inputs(), getattr(noisy, split).inputs()
        )
    np.testing.assert_array_equal(clean.choosing.y, noisy.choosing.y)
    np.testing.assert_array_equal(clean.test.y, noisy.test.y)
    changed = int((clean.train.y != noisy.train.y).sum())
    # Fixed by the seed: this either always holds or never; one seed in a million would not.
    low, high = binom.interval(1 - 1e-6, len(clean.train.y), share)
    assert low <= changed <= high
    everything = _small(name, label_noise=1.0)
    assert (clean.train.y != everything.train.y).all()


def test_noise_differs_between_seeds_and_is_nested_in_its_share() -> None:
    clean = digits(seed=0)
    less, more = (digits(seed=0, label_noise=share) for share in (0.1, 0.3))
    replaced = less.train.y != clean.train.y
    np.testing.assert_array_equal(more.train.y[replaced], less.train.y[replaced])
    noisy = [mnist(seed=seed, val_size=0, label_noise=0.2).train.y != LABELS for seed in (1, 2)]
    assert (noisy[0] != noisy[1]).any()
    labels = np.arange(10_000) % 10
    one, two = (
        with_label_noise(labels, np.random.default_rng(seed), share=0.2, classes=10) != labels
        for seed in (1, 2)
    )
    assert (one != two).any()


def test_another_class_is_uniform_among_the_others() -> None:
    random = np.random.default_rng(11)
    labels = np.full(90_000, 3)
    noisy = with_label_noise(labels, random, share=1.0, classes=10)
    counts = np.bincount(noisy, minlength=10)
    assert counts[3] == 0
    others = np.delete(counts, 3)
    statistic = ((others - 10_000) ** 2 / 10_000).sum()
    assert statistic < chi2.ppf(1 - 1e-6, 8)


def test_with_two_classes_noise_flips_the_label() -> None:
    labels = np.arange(1000) % 2
    noisy = with_label_noise(labels, np.random.default_rng(0), share=1.0, classes=2)
    np.testing.assert_array_equal(noisy, 1 - labels)


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        (mnist, {"train_size": 390, "val_size": 50}, "390 + 50 images, but there are 400"),
        (mnist, {"val_size": 400}, "0 + 400 images, but there are 400"),
        (fashion_mnist, {}, "0 + 5,000 images, but there are 400"),
        (mnist, {"val_size": 50, "test_size": 101}, "test_size = 101, but there are 100"),
        (cifar10, {"train_size": 301, "val_size": 0}, "301 + 0 images, but there are 300"),
        (cifar100, {"train_size": 201, "val_size": 0}, "but there are 200"),
        (paper_mnist, {"train_size": 401}, "train_size = 401, but there are 400"),
        (paper_mnist, {"test_size": 101}, "test_size = 101, but there are 100"),
        (digits, {"train_size": 1500}, "1,500 + 297 + 0, but there are 1,797"),
        (digits, {"train_size": 0}, "one of train_size and test_size may be 0"),
        (digits, {"train_size": 1000, "test_size": 501}, "1,000 + 297 + 501"),
        (mnist, {"model": "resnet"}, "no model 'resnet'; allowed: paper_cnn, cnn, mlp"),
        (cifar10, {"model": "mlp"}, "no model 'mlp'; allowed: resnet, cnn"),
        (digits, {"model": "paper_cnn"}, "allowed: cnn, mlp"),
    ],
)
def test_what_cannot_be_is_refused_with_the_numbers(
    function: Callable[..., Task], options: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        function(seed=0, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_size_of_zero_takes_what_is_left() -> None:
    assert len(digits(seed=0, train_size=0, test_size=300).train.y) == 1200
    assert len(digits(seed=0, train_size=500, val_size=0).test.y) == 1297
    assert len(mnist(seed=0, val_size=399).train.y) == 1


@pytest.mark.parametrize(
    ("name", "options", "outputs", "parameters"),
    [
        ("digits", {"model": "mlp", "width": 5, "depth": 3}, 10, 65 * 5 + 2 * 30 + 60),
        ("mnist", {"model": "mlp", "width": 7, "depth": 1}, 10, 785 * 7 + 80),
        ("mnist", {"model": "cnn"}, 10, 5_258),
        ("fashion_mnist", {"model": "mlp"}, 10, 785 * 128 + 129 * 128 + 1290),
        ("cifar10", {"model": "cnn"}, 10, 33_834),
        ("cifar100", {"model": "cnn"}, 100, 126_084),
        ("cifar10", {"width": 4}, 10, None),
        ("cifar100", {"blocks": 2}, 100, None),
    ],
)
def test_models(
    name: str, options: dict[str, object], outputs: int, parameters: int | None
) -> None:
    model = _small(name, **options).model
    assert model.outputs == outputs
    assert isinstance(model, Mlp if options.get("model") == "mlp" else Network)
    if parameters is not None:
        assert model.parameters == parameters
    if isinstance(model, Network):
        import torch

        task = _small(name, **options)
        logits = model.build()(torch.from_numpy(task.test.inputs()[:3]))
        assert logits.shape == (3, outputs)


def test_the_paper_s_mnist_is_the_first_raw_images() -> None:
    task = paper_mnist(seed=9, train_size=30, test_size=7)
    np.testing.assert_array_equal(task.train.inputs(), PIXELS[:30].astype(np.float32))
    np.testing.assert_array_equal(task.train.y, LABELS[:30])
    assert task.train.inputs().max() == 255
    assert len(task.test.y) == 7
    assert task.validation is None
    assert task.loss == "one_hot_binary"


def test_tasks_know_where_their_data_came_from() -> None:
    source = mnist(seed=0, val_size=50).source
    assert source["train_images"] == TRAIN
    assert len(source["files"]) == 4
    assert not source["published"]


@pytest.mark.parametrize("name", BUILTIN_TASKS)
def test_options_and_arguments_have_the_same_defaults(name: str) -> None:
    entry = BUILTIN_TASKS[name]
    module, _, function = entry.function.partition(":")
    parameters = inspect.signature(getattr(import_module(module), function)).parameters
    defaults = {key: p.default for key, p in parameters.items() if key != "seed"}
    assert entry.options().model_dump() == defaults


@pytest.mark.parametrize("name", IMAGE_TASKS)
def test_options_out_of_range_are_refused_by_the_study_file(name: str) -> None:
    options = BUILTIN_TASKS[name].options
    for wrong in ({"train_size": -1}, {"train_size": 1.5}, {"model": "vit"}, {"colour": 1}):
        with pytest.raises(ValueError, match="validation error"):
            options.model_validate(wrong)
    if name != "paper_mnist":
        for share in (-0.1, 1.1, math.nan):
            with pytest.raises(ValueError, match="validation error"):
                options.model_validate({"label_noise": share})
