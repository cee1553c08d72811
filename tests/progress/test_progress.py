"""What the executor tells is what is shown, until the block is left."""

import io

import pytest
from rich.console import Console

from agsam_tune.progress import StudyProgress
from agsam_tune.trials import Outcome, Pack, State, Trial
from tests.waiting import until

PLANNED = {("map", "sgd"): 1, ("map", "gsam"): 4, ("misset", "gsam"): 4}


def _pack(phase: str, optimizer: str, points: range) -> Pack:
    return Pack(
        trials=tuple(
            Trial(
                optimizer=optimizer,
                phase=phase,
                replicate=0,
                index=point,
                point=point,
                seed=0,
                hyperparameters=(),
            )
            for point in points
        )
    )


def _outcomes(pack: Pack, seconds: float) -> list[Outcome]:
    complete = State.COMPLETE
    return [
        Outcome(trial=t, state=complete, val_accuracy=0.8 + t.point / 100, seconds=seconds)
        for t in pack.trials
    ]


class _Run:
    """Progress with a clock that the test moves."""

    def __init__(self, stored: Pack | None = None) -> None:
        self.now = 100.0
        self.text = io.StringIO()
        self.progress = StudyProgress(
            "mine",
            PLANNED,
            _outcomes(stored, 1.0) if stored else [],
            Console(file=self.text, width=500),
            clock=lambda: self.now,
        )

    def train(self, pack: Pack, seconds: float) -> None:
        self.progress.begun(pack)
        self.now += seconds * len(pack.trials)
        outcomes = _outcomes(pack, seconds)
        self.progress.add(outcomes)
        self.progress.ended(pack, outcomes)


def test_from_the_start_to_the_end() -> None:
    run = _Run()
    with run.progress:
        facts = run.progress.facts()
        assert (facts.state, facts.busy, facts.workers, facts.left) == ("starting", 0, None, None)
        assert [(p.name, p.total) for p in facts.phases] == [("map", 5), ("misset", 4)]
        assert [(o.name, o.total) for o in facts.optimizers] == [("sgd", 1), ("gsam", 8)]
        run.progress.places(1)
        run.now += 10.0  # to start
        run.train(_pack("map", "gsam", range(4)), 2.0)
        facts = run.progress.facts()
        assert (facts.state, facts.done, facts.elapsed) == ("training", 4, 18.0)
        assert facts.rate == pytest.approx(0.5)
        assert facts.left == pytest.approx(2.0 + 4 * 2.0)  # sgd as the others, being unknown
        assert facts.optimizers[1].best == pytest.approx(0.83)
        assert facts.optimizers[1].median == pytest.approx(0.815)
        run.train(_pack("map", "sgd", range(1)), 1.0)
        assert run.progress.facts().left == pytest.approx(4 * 2.0)
        run.train(_pack("misset", "gsam", range(4)), 2.0)
    assert run.text.getvalue().splitlines()[-1][20:].startswith("done: 9/9 trials, ")


def test_a_stop_names_what_is_waited_for() -> None:
    run = _Run(stored=_pack("map", "sgd", range(1)))
    first, second = _pack("map", "gsam", range(4)), _pack("misset", "gsam", range(4))
    with run.progress:
        assert not run.progress.stop()  # nothing is being trained
        run.progress.places(2)
        run.train(first, 2.0)
        run.progress.begun(second)
        assert run.progress.stop()
        run.now += 3.0
        facts = run.progress.facts()
        assert (facts.state, facts.busy) == ("stopping", 1)
        assert facts.notice == (
            "Stopping when the pack being trained (4 trials) is done and stored, about 5s. "
            "Ctrl-C again stops at once, without it."
        )
        until(lambda: facts.notice in run.text.getvalue())  # shown by a thread
    last = run.text.getvalue().splitlines()[-1][20:]
    assert last.startswith("stopped: 5/9 trials, ")
    assert "0/2 workers busy" in last
