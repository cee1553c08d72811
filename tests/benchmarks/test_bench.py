"""The benchmark: its contenders do the same work, and its ratios are what they say."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agsam_tune.bench import PARTS, markdown, plot, run_bench, table
from agsam_tune.bench.contenders import CONTENDERS
from agsam_tune.bench.end_to_end import end_to_end
from agsam_tune.bench.problems import problem
from agsam_tune.bench.report_time import report_times
from agsam_tune.bench.results import with_ratios
from agsam_tune.cli import app
from agsam_tune.cli.bench import Part
from agsam_tune.errors import UsageError
from tests.run.commands import command


def losses_of(name: str, contenders: Iterable[str]) -> dict[str, list[float]]:
    """A model's mean losses over two epochs, by contender; two are trained where several can."""
    found = {}
    for contender in contenders:
        with closing(CONTENDERS[contender](problem(name), 2)) as epochs:
            found[contender] = [losses[0] for _, losses in itertools.islice(epochs, 2)]
    return found


def assert_same_steps(name: str, losses: dict[str, list[float]]) -> None:
    ours = losses["pack"]
    for theirs in losses.values():
        # Rounding grows from step to step: on random images GSAM's steps go far apart.
        assert theirs == pytest.approx(ours, rel=1e-3 if name == "mnist" else 1e-5)
    assert ours[1] < ours[0]


def test_contenders_of_pytorch_make_the_same_steps() -> None:
    assert_same_steps("moons", losses_of("moons", sorted(CONTENDERS.keys() - {"jax"})))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["moons", "digits", "mnist"])
def test_all_contenders_make_the_same_steps(name: str) -> None:
    """In a process of its own, for JAX starts threads that others of this one would fork with."""
    code = (
        "import json, sys; from tests.benchmarks.test_bench import CONTENDERS, losses_of\n"
        "print(json.dumps(losses_of(sys.argv[1], CONTENDERS)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name], capture_output=True, text=True, check=True
    )
    losses = json.loads(done.stdout)
    assert set(losses) == {"pack", "pytorch-optimizer", "plain", "jax"}
    assert_same_steps(name, losses)


@pytest.mark.slow
def test_the_command_measures_and_writes_all(tmp_path: Path) -> None:
    numbers, picture = tmp_path / "bench.json", tmp_path / "bench.svg"
    short = ("--rounds", "1", "--seconds", "0.01", "--part", "moons", "--part", "start_up")
    arguments = ("bench", *short, "--json", numbers, "--plot", picture, "--markdown")
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(numbers.read_text("utf-8"))
    contenders = found["problems"]["moons"]["contenders"]
    rows = [each["rows"] for each in contenders if each["name"] == "pack"]
    assert rows == [1, 8, 32, 64, 128, 256]
    assert not found["problems"]["moons"]["missing"]
    assert all(each["median"] > 0 for each in contenders)
    assert "| agsam-tune, 64 at once |" in done.stdout
    assert picture.read_text("utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--plot", "bench.gif"), "allowed endings: .svg, .png, .pdf"),
        (("--json", "none/bench.json"), "there is no folder"),
    ],
)
def test_wrong_use_is_told_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str], says: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("something was measured")

    monkeypatch.setattr("agsam_tune.bench.run_bench", fail)
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert done.exit_code == 2
    assert says in done.stderr


def _measured(*, jax: float | None, trials: int = 10_000) -> dict[str, Any]:
    times = {"pytorch-optimizer": 1000.0, "plain": 800.0, "jax": jax, "pack": 40.0}
    contenders = [
        {"name": name, "rows": 1, "median": time, "min": time, "max": time}
        for name, time in times.items()
        if time is not None
    ]
    problem = {
        "parameters": 1000,
        "batch_size": 50,
        "flop_per_second": 3e10,
        "missing": {} if jax else {"jax": "not installed"},
        "contenders": contenders,
    }
    seconds = {"median": 0.3, "min": 0.2, "max": 0.4}
    run = {"trials": trials, "wall_s": 60.0, "start_up_s": 10.0, "training_core_s": 90.0}
    rates = {"per_hour": 600.0, "per_hour_net": 720.0}
    return {
        "machine": {"cpu": "a processor", "cores": 2, "threads": 1, "gpus": [], "load": 0.1},
        "versions": {"python": "3.11"},
        "rounds": 1,
        "problems": {"moons": problem, "mnist": problem},
        "start_up": {"--help": seconds, "list": {**seconds, "median": 0.6}},
        "end_to_end": {
            "cores": 2,
            "ours": {**run, **rates},
            "usual": {**run, **rates},
            "times": 21.0,
            "times_net": 19.0,
            "overhead": 0.1,
        },
        "report": [
            {"trials": 1_000, "run_s": 5.0, "report_s": 100.0, "page_mb": 100.0},
            {"trials": 9_766, "run_s": 10.0, "report_s": 19.0, "page_mb": 9.0},
        ],
    }


def _met(found: dict[str, Any]) -> dict[str, bool | None]:
    return {each["what"]: each["met"] for each in found["targets"]}


def test_ratios_shares_and_targets() -> None:
    found = with_ratios(_measured(jax=60.0))
    pack = found["problems"]["moons"]["contenders"][-1]
    assert pack["times_pytorch-optimizer"] == pytest.approx(25)
    assert pack["times_plain"] == pytest.approx(20)
    assert pack["times_jax"] == pytest.approx(1.5)
    # 12 × 1000 weights × 50 examples in 40 µs are 15 GFLOP/s of 30.
    assert pack["share"] == pytest.approx(0.5)
    # A convolution's weights count at every place, so there is no such share.
    assert found["problems"]["mnist"]["contenders"][-1]["share"] is None
    assert _met(found) == {
        "moons.times_pytorch-optimizer": True,
        "moons.times_jax": True,
        "moons.share": True,
        "mnist.times_plain": True,
        "mnist.times_jax": True,
        "gpu.times_one_at_a_time": None,
        "end_to_end.times_net": False,
        "end_to_end.overhead": False,
        "report.report_s": True,
        "report.page_mb": False,
        "start_up.seconds": False,
    }
    json.dumps(found)


def test_the_best_of_several_packs_and_of_several_sizes_of_jax_counts() -> None:
    measured = _measured(jax=60.0)
    contenders = measured["problems"]["moons"]["contenders"]
    contenders.insert(0, {"name": "jax", "rows": 8, "median": 30.0, "min": 30.0, "max": 30.0})
    contenders.append({"name": "pack", "rows": 8, "median": 25.0, "min": 25.0, "max": 25.0})
    targets = {each["what"]: each for each in with_ratios(measured)["targets"]}
    assert targets["moons.times_jax"]["reached"] == pytest.approx(30 / 25)
    assert targets["moons.times_pytorch-optimizer"]["reached"] == pytest.approx(40)


def test_a_small_study_does_not_miss_the_share_of_a_large_one() -> None:
    assert _met(with_ratios(_measured(jax=60.0, trials=1_024)))["end_to_end.overhead"] is None


def test_what_was_not_measured_is_not_known() -> None:
    nothing = {**_measured(jax=60.0), "problems": {}, "start_up": {}, "end_to_end": {}}
    found = with_ratios({**nothing, "report": []})
    assert set(_met(found).values()) == {None}
    assert "not known" in table(found)
    with pytest.raises(UsageError, match="no ratios to plot"):
        plot(found, Path("bench.svg"))


def test_the_tables_and_the_plot_show_all_of_it(tmp_path: Path) -> None:
    found = with_ratios(_measured(jax=60.0))
    on_screen, page = table(found), markdown(found)
    assert all(len(line) <= 90 for line in on_screen.splitlines())
    for text in (on_screen, page):
        for part in ("agsam-tune, 1 at once", "JAX, 1 at once", "9,766", "--help", "missed"):
            assert part in text
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert "| agsam-tune, 1 at once | 40.0 | 40.0 … 40.0 | 25.0 | 1.50 | 50 % |" in tables
    for name in ("bench.svg", "bench.png"):
        plot(found, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    first = (tmp_path / "bench.svg").read_bytes()
    plot(found, tmp_path / "bench.svg")
    assert (tmp_path / "bench.svg").read_bytes() == first


def test_a_peer_that_is_not_installed_has_no_ratio(tmp_path: Path) -> None:
    measured = _measured(jax=None)
    measured["end_to_end"].update(usual={"missing": "not installed"}, times=None, times_net=None)
    found = with_ratios(measured)
    met = _met(found)
    assert met["moons.times_pytorch-optimizer"]
    assert met["moons.times_jax"] is met["end_to_end.times_net"] is None
    assert "JAX, several at once: not installed" in table(found)
    assert "Ray Tune, Optuna, pytorch-optimizer: not installed" in markdown(found)
    plot(found, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").stat().st_size > 1000


def test_the_command_knows_every_part() -> None:
    assert [part.value for part in Part] == list(PARTS)


def test_a_part_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="part 'moon'; allowed: parts moons, digits, mnist"):
        run_bench(("moon",))


@pytest.mark.slow
def test_the_report_is_measured_on_about_as_many_trials_as_asked_for() -> None:
    (found,) = report_times([600])
    assert 450 <= found["trials"] <= 750
    assert found["run_s"] > 0
    assert found["report_s"] > 0
    assert 0.1 < found["page_mb"] < 8


@pytest.mark.slow
def test_a_study_is_compared_with_the_usual_stack() -> None:
    found = end_to_end(trials=32, usual_trials=2)  # two replicates are more
    for each in (found["ours"], found["usual"]):
        assert 0 < each["start_up_s"] < each["wall_s"]
        assert each["per_hour"] < each["per_hour_net"]
        net = each["wall_s"] - each["start_up_s"]
        assert 0 < each["training_core_s"] < net * found["cores"]
    assert found["ours"]["trials"] == 40
    assert found["usual"]["trials"] == 2
    assert 0 < found["overhead"] < 1
