"""The two protocols on moons, and what a task must be."""

import numpy as np
import pytest
from sklearn.datasets import make_moons

from agsam_tune.errors import UsageError
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.moons import moons, paper_moons
from agsam_tune.tasks.task import Mlp, Split, Task


def test_moons_has_its_sizes_and_is_standardised_on_the_train_part() -> None:
    task = moons(seed=0)
    assert task.validation is not None
    sizes = [len(split.y) for split in (task.train, task.validation, task.test)]
    assert sizes == [4000, 2000, 4000]
    np.testing.assert_allclose(task.train.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(task.train.x.std(axis=0), 1, atol=1e-5)
    assert np.abs(task.test.x.mean(axis=0)).max() > 1e-4
    assert task.model == Mlp(widths=(2, 32, 32, 32, 1))
    assert task.facts()["parameters"] == 2241
    points = np.concatenate([s.x for s in (task.train, task.validation, task.test)])
    assert len(np.unique(points, axis=0)) == 10_000


def test_moons_is_fixed_by_the_seed() -> None:
    assert moons(seed=1).digest() == moons(seed=1).digest() != moons(seed=2).digest()


def test_label_noise_flips_training_labels_only() -> None:
    clean, noisy = moons(seed=0), moons(seed=0, label_noise=0.2)
    assert np.mean(clean.train.y != noisy.train.y) == pytest.approx(0.2, abs=0.03)
    np.testing.assert_array_equal(clean.train.x, noisy.train.x)
    np.testing.assert_array_equal(clean.test.y, noisy.test.y)
    np.testing.assert_array_equal(clean.choosing.y, noisy.choosing.y)


def test_moons_without_a_validation_split_chooses_on_the_test_split() -> None:
    task = moons(seed=0, val_size=0)
    assert task.validation is None
    assert task.choosing is task.test
    assert len(task.test.y) == 6000


def test_paper_moons_is_the_paper_s_protocol() -> None:
    task = paper_moons(seed=5)
    assert (len(task.train.y), task.validation, len(task.test.y)) == (7000, None, 3000)
    assert task.model.parameters == 2241
    assert -(-len(task.train.y) // 64) == 110  # steps an epoch, the last short batch kept
    x, y = make_moons(10_000, noise=0.3, random_state=10)
    # The split permutes with NumPy's legacy generator of this seed: test first, then train.
    order = np.random.RandomState(42).permutation(10_000)
    train, test = order[3000:], order[:3000]
    mean, deviation = x[train].mean(axis=0), x[train].std(axis=0)
    np.testing.assert_array_equal(task.train.y, y[train])
    np.testing.assert_array_equal(task.test.y, y[test])
    np.testing.assert_allclose(task.test.x, (x[test] - mean) / deviation, rtol=1e-6, atol=1e-6)
    assert task.digest() == paper_moons(seed=6).digest()


def test_chance_is_the_largest_class_s_share() -> None:
    split = Split(x=np.zeros((4, 1), np.float32), y=np.array([0, 1, 1, 1]))
    assert split.chance == 0.75


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": (np.zeros((3, 2)), [0, 1, 0])}, "not float32"),
        ({"train": (np.zeros((3, 3), np.float32), [0, 1, 0])}, "takes"),
        ({"test": (np.full((3, 2), np.nan, np.float32), [0, 1, 0])}, "NaN"),
        ({"test": (np.zeros((3, 2), np.float32), [0, 2, 0])}, "outside 0 … 1"),
        ({"validation": (np.zeros((3, 2), np.float32), [0, 1])}, "int64"),
        ({"model": Mlp(widths=(2,))}, "widths"),
        ({"model": Mlp(widths=(2, 0, 1))}, "widths"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, object], words: str) -> None:
    good = (np.zeros((3, 2), np.float32), [0, 1, 0])
    parts = {"train": good, "validation": good, "test": good} | changes
    model = parts.pop("model", Mlp(widths=(2, 1)))
    splits = {name: Split(x=x, y=np.array(y, dtype=np.int64)) for name, (x, y) in parts.items()}
    with pytest.raises(ValueError, match=words):
        Task(name="odd", model=model, **splits)


def test_a_built_in_task_refuses_its_options_readably() -> None:
    with pytest.raises(UsageError, match="could not be built"):
        load_task("moons", {"n": -5}, seed=0)
