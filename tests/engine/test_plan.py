"""The plan: the way that is measured to be fastest, and rows that fit."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from agsam_tune.engine import ModelError, make_plan, train_pack
from agsam_tune.engine import plan as planning
from agsam_tune.engine.ways import pack_model, possible_ways, precision, task_blueprint
from agsam_tune.models import perceptron
from agsam_tune.study import Sharpness, Training
from agsam_tune.tasks.tasks import Tasks
from tests.engine.problems import RECIPE, a_pack, blobs, small_moons
from tests.engine.test_networks import Dense, Dropped, images

CLEARLY_FASTER = planning._CLEARLY_FASTER
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def one_pass(machine_code: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ways are measured by one pass each, whose time decides nothing that is asserted."""
    monkeypatch.setattr(planning, "_MEASURED_SECONDS", 0.0)
    monkeypatch.setattr(planning, "_CLEARLY_FASTER", math.inf)


def test_a_chain_is_compiled_and_another_network_goes_row_by_row() -> None:
    convolutions = make_plan(images(), RECIPE, device="cpu", way="auto", rows="auto")
    assert convolutions.way == "compiled"
    assert convolutions.seconds.keys() == {"compiled", "rows"}
    compiled = make_plan(small_moons(), RECIPE, device="cpu", way="auto", rows="auto")
    assert compiled.way == "compiled"
    assert compiled.seconds.keys() == {"compiled", "stacked", "rows"}
    assert compiled.rows == 64
    dropped = images(Dropped, shape=(5,), classes=3)
    one_by_one = make_plan(dropped, RECIPE, device="cpu", way="auto", rows="auto")
    assert (one_by_one.way, one_by_one.rows) == ("rows", 8)
    assert one_by_one.to_dict() == {
        "way": "rows", "rows": 8, "seconds": {"rows": one_by_one.seconds["rows"]}, "refused": {},
    }  # fmt: skip


def test_the_fastest_pass_of_a_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock of the test's own: passes of 3, 1 and 2 seconds, and one to warm up."""
    sample, made = planning._Sample.of(blobs(), RECIPE, "stacked", CPU), []
    now, takes = [0.0], iter((100.0, 3.0, 1.0, 2.0))

    def train(_: object, rows: int) -> None:
        made.append(rows)
        now[0] += next(takes)

    monkeypatch.setattr(planning._Sample, "train", train)
    monkeypatch.setattr(planning, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(planning, "_MEASURED_SECONDS", 5.0)
    assert planning._seconds(sample, 4, CPU) == 1.0 / 4
    assert made == [4] * 4


def test_what_the_study_says_comes_first() -> None:
    plan = make_plan(small_moons(), RECIPE, device="cpu", way="vmap", rows=5)
    assert (plan.way, plan.rows) == ("vmap", 5)
    with pytest.raises(ModelError, match="dense layers"):
        make_plan(images(), RECIPE, device="cpu", way="stacked", rows="auto")
    with pytest.raises(ModelError, match="the way 'compiled' is for CPUs"):
        pack_model(small_moons(), RECIPE, way="compiled", device=GPU, dtype=torch.float32)


def test_the_faster_way_is_taken_only_where_it_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for seconds, way in (({"compiled": 1.4, "stacked": 1.2, "rows": 1.0}, "compiled"),
                         ({"compiled": 1.6, "stacked": 1.2, "rows": 1.0}, "rows")):  # fmt: skip
        found = iter(seconds.values())
        monkeypatch.setattr(planning, "_seconds", lambda *_, found=found: next(found))
        monkeypatch.setattr(planning, "_CLEARLY_FASTER", CLEARLY_FASTER)
        assert make_plan(blobs(), RECIPE, device="cpu", way="auto", rows=2).way == way


def test_a_pack_takes_two_minutes_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_seconds", lambda *_: 0.5)
    long = Training(epochs=10, batch_size=32, lr=0.1)
    assert make_plan(images(), long, device="cpu", way="auto", rows="auto").rows == 1
    assert make_plan(images(), long, device="cpu", way="auto", rows=16).rows == 16


def test_the_ways_of_a_device() -> None:
    moons, digits = task_blueprint(small_moons()), task_blueprint(images())
    dropped = task_blueprint(images(Dropped, shape=(5,), classes=3))
    assert possible_ways(moons, RECIPE, device=CPU) == ("compiled", "stacked", "rows")
    wide = task_blueprint(images(lambda: perceptron((784, 1024, 10)), shape=(784,)))
    assert possible_ways(wide, RECIPE, device=CPU) == ("stacked", "rows")
    assert possible_ways(moons, RECIPE, device=GPU) == ("stacked", "vmap", "rows")
    assert possible_ways(digits, RECIPE, device=GPU) == ("vmap", "rows")
    assert possible_ways(digits, RECIPE, device=CPU) == ("compiled", "rows")
    assert possible_ways(dropped, RECIPE, device=CPU) == ("rows",)
    assert possible_ways(dropped, RECIPE, device=GPU) == ("rows",)


def test_tf32_is_allowed_only_where_it_is_asked_for() -> None:
    with precision("tf32"):
        assert torch.backends.cudnn.allow_tf32
        with precision("float32"):
            assert not torch.backends.cudnn.allow_tf32
            assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32


def test_planning_leaves_results_as_they_are() -> None:
    before = train_pack(a_pack("gsam", 2), images(), RECIPE, study_seed=0, way="rows")
    make_plan(images(), RECIPE, device="cpu", way="auto", rows="auto")
    after = train_pack(a_pack("gsam", 2), images(), RECIPE, study_seed=0, way="rows")
    assert [o.train_loss for o in before] == [o.train_loss for o in after]


def _asks(module: nn.Module, x: Tensor) -> Tensor:
    """What vmap refuses: a branch on values."""
    logits: Tensor = module.out(x)
    return logits * 2 if bool(logits.sum() > 0) else logits


def test_a_way_that_the_model_does_not_take_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    task = images(lambda: Dense(_asks), shape=(5,), classes=3)
    monkeypatch.setattr(planning, "possible_ways", lambda *_, **__: ("vmap", "rows"))
    plan = make_plan(task, RECIPE, device="cpu", way="auto", rows="auto")
    assert (plan.way, plan.seconds.keys(), plan.refused.keys()) == ("rows", {"rows"}, {"vmap"})
    with pytest.raises(ModelError, match="in the way 'vmap': RuntimeError: vmap"):
        make_plan(task, RECIPE, device="cpu", way="vmap", rows="auto")


def test_sharpness_that_cannot_be_measured_is_told_before_anything_is_trained() -> None:
    task = images(lambda: Dense(lambda m, x: m.out(x.float())), shape=(5,), classes=3)
    make_plan(task, RECIPE, device="cpu", way="auto", rows=1)
    with pytest.raises(ModelError, match=r"\[sharpness\] asks for, cannot be measured: Runtime"):
        make_plan(task, RECIPE, device="cpu", way="auto", rows=1, sharpness=Sharpness())
    make_plan(blobs(), RECIPE, device="cpu", way="auto", rows=1, sharpness=Sharpness())


def test_rows_fill_the_free_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a card whose memory is a number: 2 MB a row in training, 5 MB in evaluation."""
    sample = planning._Sample.of(images(), RECIPE, "rows", CPU)
    used = {"train": 2_000_000, "evaluate": 5_000_000}
    peak = 0

    def take(part: str, rows: int) -> None:
        nonlocal peak
        peak = max(peak, 1_000_000 + used[part] * rows)

    def reset(_: object) -> None:
        nonlocal peak
        peak = 0

    for part in used:
        monkeypatch.setattr(planning._Sample, part, lambda _, rows, part=part: take(part, rows))
    for name, fake in {
        "empty_cache": lambda: None,
        "synchronize": lambda _: None,
        "reset_peak_memory_stats": reset,
        "max_memory_allocated": lambda _: peak,
        "mem_get_info": lambda _: (1_000_000_000, 2_000_000_000),
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    matrices = planning._MORE_MATRICES * 4 * sample.model.width
    each = 5_000_000 + matrices
    for data, own, share in ((0, 0, 1.0), (200_000_000, 0, 0.5), (0, 3_000_000, 3.0)):
        free = 0.7 * min(share, 1.0) * 1e9 - data
        found = planning._rows_that_fit(sample, (data, own), GPU, share)
        assert found == int(free / (each + own))
    assert planning._rows_that_fit(sample, (10**10, 0), GPU, 1.0) == 1


def test_the_bytes_of_data_are_those_of_a_row_where_each_replicate_has_its_own() -> None:
    one, other = blobs(seed=0), blobs(seed=1)
    other = replace(other, test=one.test)
    own = one.train.x.nbytes + one.choosing.x.nbytes
    labels = 16 * sum(one.sizes.values())
    assert planning._bytes_of(Tasks.alike(one)) == (own + one.test.x.nbytes + labels, 0)
    assert planning._bytes_of(Tasks.of([one, other])) == (one.test.x.nbytes, own + labels)
