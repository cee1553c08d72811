"""Rows of several replicates in one pack: data, weights and batches of their own."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from scipy.stats import chisquare

from agsam_tune.columns import SHARPNESS_OF_WEIGHTS
from agsam_tune.engine import orders, train_pack
from agsam_tune.optimizers import rule
from agsam_tune.study import Sharpness
from agsam_tune.tasks.task import Split, Task
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Outcome, Pack
from tests.engine.problems import RECIPE, a_pack, a_trial, blobs, same_bits, small_moons

pytestmark = pytest.mark.usefixtures("machine_code")

MOONS = Tasks.of([small_moons(seed) for seed in range(5)])
BLOBS = Tasks.of([blobs(seed=seed) for seed in range(5)])


def trained(pack: Pack, tasks: Task | Tasks, **more: object) -> tuple[Outcome, ...]:
    return train_pack(pack, tasks, RECIPE, study_seed=4, **more)  # type: ignore[arg-type]


def parts_alone(pack: Pack) -> dict[str, Pack]:
    """The pack's trials otherwise together: alone, by sevens, backwards, replicates mixed."""
    mixed = sorted(pack.trials, key=lambda trial: (trial.index, trial.seed, trial.replicate))
    return {
        "first": Pack(trials=pack.trials[:1]),
        "last": Pack(trials=pack.trials[-1:]),
        "seven": Pack(trials=pack.trials[20:27]),
        "mixed": Pack(trials=tuple(mixed)),
        "few of each": Pack(trials=pack.trials[::9]),
    }


@pytest.mark.parametrize(("way", "rows"), [("compiled", 64), ("stacked", 64), ("rows", 15)])
@pytest.mark.parametrize("tasks", [MOONS, BLOBS], ids=["moons", "blobs"])
def test_a_row_s_bits_do_not_depend_on_whose_rows_are_beside_it(
    tasks: Tasks, way: str, rows: int
) -> None:
    pack = a_pack("adaptive_gsam", rows, replicates=5)
    together = dict(zip(pack.trials, trained(pack, tasks, way=way), strict=True))
    for name, part in parts_alone(pack).items():
        for outcome in trained(part, tasks, way=way) if part.trials else ():
            assert same_bits(outcome, together[outcome.trial]), name
    # The tasks of replicates that the pack has not do not matter, nor does who loaded them.
    first = Pack(trials=tuple(trial for trial in pack.trials if trial.replicate == 0))
    for outcome in trained(first, tasks[0], way=way):
        assert same_bits(outcome, together[outcome.trial])


def test_each_row_is_trained_and_judged_on_its_own_replicate() -> None:
    """The same coordinates with another replicate's data give another outcome."""
    pack = a_pack("sam", 4, replicates=2)
    own = trained(pack, MOONS)
    exchanged = trained(pack, Tasks.of([MOONS[1], MOONS[0]]))
    assert all(a.curve.f != b.curve.f for a, b in zip(own, exchanged, strict=True))


def test_what_diverged_stands_at_the_chance_of_its_replicate() -> None:
    trials = [a_trial("sgd", 0, 0, replicate=r, lr=1e30) for r in range(5)]
    chances = {MOONS[r].test.chance for r in range(5)}
    assert len(chances) > 1
    for r, outcome in enumerate(trained(Pack(trials=tuple(trials)), MOONS)):
        assert outcome.diverged
        assert outcome.test_accuracy == MOONS[r].test.chance
        assert outcome.val_accuracy == MOONS[r].choosing.chance
        assert outcome.curve.test_accuracy == (MOONS[r].test.chance,) * RECIPE.epochs


def test_sharpness_is_that_of_the_row_s_own_data() -> None:
    wanted = Sharpness(examples=60, max_iterations=20)
    pack = a_pack("sam", 4, replicates=2)
    mixed = Pack(trials=(*pack.trials[::2], *pack.trials[1::2]))
    alone = [trained(Pack(trials=(t,)), BLOBS, sharpness=wanted)[0] for t in mixed.trials]
    together = trained(mixed, BLOBS, sharpness=wanted)
    assert all(map(same_bits, alone, together))
    assert all(math.isfinite(outcome.sharpness[SHARPNESS_OF_WEIGHTS[0]]) for outcome in together)


@pytest.mark.parametrize("optimizer", ["gsam", "gsam_matched"])
def test_trials_of_equal_coordinates_share_weights_and_batches(optimizer: str) -> None:
    """With rho = 0 every optimizer is plain SGD, bit for bit, if it sees the same things."""
    zero = {"rho": 0.0, "alpha": 0.7, "gamma": 0.1}
    values = {name: zero[name] for name in rule(optimizer).hyperparameters}
    (plain,) = trained(Pack(trials=(a_trial("sgd", 3, 1, replicate=2),)), MOONS)
    (other,) = trained(Pack(trials=(a_trial(optimizer, 3, 1, replicate=2, **values),)), MOONS)
    assert other.curve.f == plain.curve.f
    assert other.test_accuracy == plain.test_accuracy
    assert other.radius == 0
    assert math.isnan(plain.radius)


@pytest.mark.parametrize(
    "changes", [{"index": 1}, {"seed": 1}, {"replicate": 1}, {"phase": "key"}], ids=str
)
def test_trials_of_other_coordinates_share_nothing(changes: dict[str, object]) -> None:
    """Not where they have the same data either."""
    one = a_trial("sgd", 0, 0)
    other = dataclasses.replace(one, **changes)  # type: ignore[arg-type]
    first, second = (trained(Pack(trials=(t,)), small_moons())[0] for t in (one, other))
    assert first.curve.f[0] != second.curve.f[0]
    assert first.test_loss != second.test_loss


def of_a_pool(tasks: Tasks) -> Tasks:
    """The same data as splits of arrays that all replicates share."""
    found = [tasks[r] for r in range(len(tasks.found))]
    kinds = ("train", "validation", "test")
    pool = np.concatenate([getattr(task, kind).x for task in found for kind in kinds])
    start, drawn = 0, []
    for task in found:
        splits = {}
        for kind in kinds:
            split = getattr(task, kind)
            index = np.arange(start, start + len(split.y))
            splits[kind] = Split(x=pool, y=split.y, index=index)
            start += len(split.y)
        drawn.append(dataclasses.replace(task, **splits))
    return Tasks.of(drawn)


@pytest.mark.parametrize("way", ["compiled", "stacked", "rows"])
def test_splits_of_one_array_train_as_arrays_of_their_own(way: str) -> None:
    shared, pack = of_a_pool(BLOBS), a_pack("gsam", 10, replicates=5)
    outcomes = zip(trained(pack, BLOBS, way=way), trained(pack, shared, way=way), strict=True)
    assert all(same_bits(own, drawn) for own, drawn in outcomes)


def test_a_job_holds_what_replicates_share_once() -> None:
    shared = of_a_pool(BLOBS)
    pool = shared[0].train.x.nbytes
    labels = sum(16 * sum(task.sizes.values()) for task in shared.found)
    assert len(pickle.dumps(shared)) < pool + labels + 10_000


def test_every_order_of_examples_is_as_likely_as_another() -> None:
    coordinates = [{"index": index} for index in range(24_000)]
    order_KN = orders(coordinates, 0, 4)
    _, counts = np.unique(order_KN, axis=0, return_counts=True)
    assert len(counts) == 24
    # A chi-squared test that a fair shuffle passes with these keys; 1 in 1,000 would not.
    assert chisquare(counts).pvalue > 0.001
    # Neither epochs nor places within long orders follow from one another.
    long_KN = np.stack([orders(coordinates[:1], epoch, 5_000)[0] for epoch in range(20)])
    assert (np.sort(long_KN, axis=1) == np.arange(5_000)).all()
    correlations = np.corrcoef(long_KN)[~np.eye(20, dtype=bool)]
    assert np.abs(correlations).max() < 5 / np.sqrt(5_000)


def test_an_order_does_not_depend_on_the_rows_beside_it() -> None:
    coordinates = [{"index": index} for index in range(3)]
    together = orders(coordinates, 1, 50, np.array([0, 50, 0]))
    np.testing.assert_array_equal(together[1] - 50, orders(coordinates[1:2], 1, 50)[0])
