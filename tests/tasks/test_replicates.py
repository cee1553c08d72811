"""The tasks of replicates: data of their own, the rest in common."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from agsam_tune.errors import UsageError
from agsam_tune.tasks.loading import load_task
from agsam_tune.tasks.task import Mlp, Split, Task
from agsam_tune.tasks.tasks import Tasks, data_seed, load_replicates, same_data
from tests.data.files import cifar10_files, idx_files, write

KINDS = ("train", "choosing", "test")


@pytest.fixture(autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder with a little of two data sets."""
    folder = tmp_path_factory.mktemp("data")
    write(folder / "mnist", idx_files(0, train=400, test=100))
    write(folder / "cifar-10-batches-bin", cifar10_files(batches=3, size=100))
    monkeypatch.setenv("AGSAM_TUNE_DATA", str(folder))


def drawn(name: str, replicates: int | None = 3, **options: object) -> Tasks:
    return load_replicates(name, options, study_seed=5, replicates=replicates)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_published_test_parts_stay_and_the_rest_is_drawn_anew(name: str) -> None:
    tasks = drawn(name, val_size=50, label_noise=0.1)
    first, second, third = tasks.found
    for other in (second, third):
        np.testing.assert_array_equal(first.test.inputs(), other.test.inputs())
        np.testing.assert_array_equal(first.test.y, other.test.y)
        assert not np.array_equal(first.train.inputs(), other.train.inputs())
        assert not np.array_equal(first.choosing.inputs(), other.choosing.inputs())
    # The images lie in memory once, whatever is drawn from them.
    assert len({id(s.x) for task in tasks.found for s in (task.train, task.choosing)}) == 1
    assert len({id(task.test.x) for task in tasks.found}) == 1


def test_a_small_part_of_a_large_pool_does_not_carry_the_pool_along() -> None:
    small = load_task("mnist", {"train_size": 20, "val_size": 20}, seed=0)
    large = load_task("mnist", {"train_size": 300, "val_size": 20}, seed=0)
    assert len(small.train.x) == len(small.choosing.x) == 20
    assert len(large.train.x) == 400
    np.testing.assert_array_equal(small.choosing.inputs(), large.choosing.inputs())


@pytest.mark.parametrize("name", ["moons", "digits"])
def test_the_others_are_drawn_anew_altogether(name: str) -> None:
    first, second, third = drawn(name).found
    for kind in KINDS:
        found = [getattr(task, kind) for task in (first, second, third)]
        assert len({split.inputs().tobytes() for split in found}) == 3
        assert len({len(split.y) for split in found}) == 1


def test_data_follow_from_the_study_s_seed_the_task_and_the_replicate() -> None:
    tasks = drawn("moons")
    assert tasks.digests[:2] == drawn("moons", 2).digests
    alone = load_task("moons", {}, seed=data_seed(5, "moons", 2))
    assert tasks[2].digest() == alone.digest() == tasks.digest(2)
    seeds = {data_seed(s, task, r) for s in (0, 1) for task in "ab" for r in range(3)}
    assert len(seeds) == 12
    assert all(0 <= seed < 2**32 for seed in seeds)
    with pytest.raises(IndexError, match="replicate 3 has no task here; there are 3"):
        tasks[3]


def test_fixed_data_are_those_of_the_study_s_seed_for_every_replicate() -> None:
    tasks = drawn("moons", None)
    assert tasks[0] is tasks[17]
    assert tasks[0].digest() == load_task("moons", {}, seed=5).digest()
    assert tasks.data_set(17) == 0
    facts = tasks.facts()
    assert len(facts["replicates"]) == 1
    assert "same_data" not in facts


def test_the_manifest_s_facts() -> None:
    tasks = drawn("moons")
    facts = tasks.facts()
    chances = [task.test.chance for task in tasks.found]
    assert facts["chance"] == pytest.approx(np.mean(chances))
    assert [each["chance"] for each in facts["replicates"]] == chances
    assert [each["digest"] for each in facts["replicates"]] == list(tasks.digests)
    assert facts["digest"] == tasks.digests[0]
    one = {**tasks.first.facts(), "chance": 0, "validation_chance": 0}
    assert one == {**{k: facts[k] for k in one}, "chance": 0, "validation_chance": 0}
    # A study that has grown has the data that it had; another one has others.
    assert same_data(facts, drawn("moons", 2).facts())
    assert not same_data(facts, drawn("moons", noise=0.31).facts())


def blobs(seed: int, *, n: int = 20, widths: tuple[int, ...] = (2, 1)) -> Task:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    split = Split(x=rng.normal(size=(n, 2)).astype(np.float32), y=y)
    return Task(name="blobs", train=split, validation=None, test=split, model=Mlp(widths=widths))


def own(monkeypatch: pytest.MonkeyPatch, build: Callable[[int], Task]) -> Tasks:
    """The tasks of a function of a user's."""
    module = ModuleType("a_users_task")
    module.blobs = lambda *, seed: build(seed)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return drawn("a_users_task:blobs")


def test_a_task_of_ones_own_gets_a_seed_for_each_replicate(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    tasks = own(monkeypatch, lambda seed: (seeds.append(seed), blobs(seed))[1])
    assert seeds == [data_seed(5, "a_users_task:blobs", r) for r in range(3)]
    assert len(set(tasks.digests)) == 3
    assert "same_data" not in tasks.facts()


def test_one_that_does_not_heed_its_seed_is_told_of_and_kept_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = own(monkeypatch, lambda _: blobs(0))
    assert tasks.facts()["same_data"] is True
    assert len({id(task) for task in tasks.found}) == 1
    assert {tasks.data_set(r) for r in range(3)} == {0}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda seed: blobs(seed, n=20 + seed % 7), "train examples is"),
        (lambda seed: blobs(seed, widths=(2, 1 + seed % 7, 1)), "model is"),
        (lambda seed: replace(blobs(seed), name=f"blobs {seed % 7}"), "name is"),
    ],
)
def test_replicates_that_differ_in_more_than_their_data_are_refused(
    build: Callable[[int], Task], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=words) as error:
        own(monkeypatch, build)
    assert "\n" not in str(error.value)
    assert 'data = "fixed"' in str(error.value)
