"""Worlds whose truth is known: studies of two optimizers, drawn from formulas instead of trainings.

In a world the score of a training is a function of the logarithm of its step. An optimizer is how
its key and what else is mis-set make that step, what it reaches, and where it collapses. Both
optimizers of a study share points, draws and data sets, as the design has it.

Shapes: R replicates, N trainings of a phase and optimizer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.lenses.curves import KeyCurve
from agsam_tune.analysis.lenses.estimates import Estimate, mean_estimate
from agsam_tune.analysis.lenses.own_scale import best_over_key, own_scale
from agsam_tune.analysis.lenses.pair import Lens, PairSettings, Trainings, judge_pair
from agsam_tune.analysis.verdict.claim_verdict import ClaimVerdict
from agsam_tune.analysis.verdict.lens_verdict import LensVerdict

Array = NDArray[np.float64]

TRIVIAL, MARGIN, FACTOR = 0.5, 0.01, 10.0
KEY_POINTS, OFF_POINTS, RADIUS_POINTS = 20, 24, 18


def cliff(edge: float = 0.0, *, top: float = 0.92, width: float = 0.12) -> Callable[[Array], Array]:
    """A plateau up to log10(step) = edge, and chance beyond."""
    return lambda x: TRIVIAL + (top - TRIVIAL) / (1 + np.exp((x - edge) / width))


def peak(
    middle: float = -0.5, *, top: float = 0.92, width: float = 0.8
) -> Callable[[Array], Array]:
    """Too small a step costs too; `width` decades from the middle a third of the height is lost."""
    return lambda x: TRIVIAL + (top - TRIVIAL) * np.exp(-0.5 * ((x - middle) / width) ** 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """How an optimizer turns its settings into a score.

    Attributes:
        score: of log10 of the step.
        unit: log10 of what the key is multiplied by.
        nuisance: decades that its own second hyperparameter adds to the step, for each decade
            that it is off; where `one_sided`, only if it is too large.
        blur: standard deviation, in decades, of a factor of the step drawn for each training.
        data_blur: the same, drawn for each data set.
        collapses: share of trainings that end at chance, wherever they are.
        gain: added to every score.
    """

    score: Callable[[Array], Array]
    unit: float = 0.0
    nuisance: float = 0.0
    one_sided: bool = False
    blur: float = 0.0
    data_blur: float = 0.0
    collapses: float = 0.0
    gain: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two optimizers, and what they share.

    Attributes:
        candidate, baseline: the optimizers.
        box: log10 of both ends of the union of the boxes.
        ridge: decades that a hyperparameter of both adds to the step for each decade it is off.
        noise: standard deviation of a training's score.
        steep_noise: of the score near a cliff, as decades of the step, drawn for each training.
        data_level, data_shift: of a data set's effect on the score, and on the step in decades.
        heavy: whether data sets' shifts have Student's t on 3 degrees of freedom.
    """

    candidate: Optimizer
    baseline: Optimizer
    box: tuple[float, float] = (-2.3, 0.9)
    ridge: float = 0.2
    noise: float = 0.004
    steep_noise: float = 0.1
    data_level: float = 0.004
    data_shift: float = 0.05
    heavy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a study of a world came to.

    Attributes:
        own_scale, equal_radius: the verdicts at the last look.
        replicates: how many it took.
    """

    own_scale: LensVerdict
    equal_radius: LensVerdict
    replicates: int


def judge(world: World, rng: np.random.Generator, looks: tuple[int, ...] = (16, 32, 64)) -> Judged:
    """A study that goes on until its claim is decided."""
    study = ImaginedStudy(world, rng, looks[-1])
    for number, size in enumerate(looks, start=1):
        found = judge_pair(
            *study.sides(size),
            study.settings(looks[:number], looks[-1]),
            not_applicable={Lens.SAME_SETTING: "no map"},
        )
        if found.claim is not ClaimVerdict.UNDECIDED:
            break
    verdicts = {row.lens: row.verdict for row in found.comparisons}
    return Judged(
        own_scale=verdicts[Lens.OWN_SCALE],
        equal_radius=verdicts[Lens.EQUAL_RADIUS],
        replicates=size,
    )


class ImaginedStudy:
    """A study's trainings of both optimizers, of which the first replicates can be analysed."""

    def __init__(self, world: World, rng: np.random.Generator, replicates: int) -> None:
        self._world = world
        shift_R = rng.standard_t(3, replicates) if world.heavy else rng.normal(size=replicates)
        data = {
            "shift_R": world.data_shift * shift_R,
            "level_R": world.data_level * rng.normal(size=replicates),
            "blur_R": rng.normal(size=replicates),
        }
        self._phases: dict[str, tuple[NDArray[np.int64], Array, list[Array]]] = {}
        for phase, points, span, off in (
            ("key", KEY_POINTS, self.span, False),
            ("off", OFF_POINTS, self.span, True),
            ("radius", RADIUS_POINTS, (-0.5, 0.5), True),
        ):
            r_N, x_N, a_N, b_N = _design(rng, replicates, points, *span, off)
            pair = (world.candidate, world.baseline)
            scores = [
                _scores(world, _exact(o) if phase == "radius" else o, rng, data, r_N, x_N, a_N, b_N)
                for o in pair
            ]
            self._phases[phase] = (r_N, x_N, scores)

    @property
    def span(self) -> tuple[float, float]:
        """log10 of the ends of what the key is drawn from."""
        low, high = self._world.box
        return low - float(np.log10(FACTOR)), high + float(np.log10(FACTOR))

    def settings(self, looks: tuple[int, ...], largest: int) -> PairSettings:
        return PairSettings(
            box=self._world.box,
            key_range=self.span,
            off_range=self.span,
            factor=FACTOR,
            trivial=TRIVIAL,
            margin=2 * MARGIN,
            confidence=0.95,
            looks=looks,
            largest=largest,
            replicates=(looks[-1], looks[-1]),
            paired=True,
        )

    def sides(self, replicates: int) -> tuple[dict[str, Trainings], dict[str, Trainings]]:
        """What the first replicates have of the candidate and of the baseline."""
        sides = []
        for side in (0, 1):
            own = {}
            for phase, (r_N, x_N, scores) in self._phases.items():
                n = r_N < replicates
                own[phase] = Trainings(replicate_N=r_N[n], x_N=x_N[n], score_N=scores[side][n])
            sides.append(own)
        return sides[0], sides[1]

    def numbers(self, replicates: int) -> dict[str, Estimate]:
        """Each estimate of the candidate, and their differences from the baseline's."""
        found = []
        for own in self.sides(replicates):
            curves = {
                phase: KeyCurve(
                    own[phase].replicate_N,
                    own[phase].x_N,
                    own[phase].score_N,
                    low=self.span[0],
                    high=self.span[1],
                    replicates=replicates,
                )
                for phase in ("key", "off")
            }
            lens = own_scale(
                best_over_key(curves["key"]),
                curves["off"],
                box=self._world.box,
                factor=FACTOR,
            )
            at = own["radius"]
            radius = mean_estimate(at.replicate_N, at.score_N, replicates=replicates)
            found.append(
                {"best": lens.best, "score": lens.score, "regret": lens.regret, "radius": radius}
            )
        candidate, baseline = found
        return candidate | {
            f"{name} difference": candidate[name] - baseline[name] for name in candidate
        }


def _exact(optimizer: Optimizer) -> Optimizer:
    """The optimizer where its step has the length that is asked for: no unit, nothing to blur."""
    return Optimizer(score=optimizer.score, collapses=optimizer.collapses, gain=optimizer.gain)


def _design(
    rng: np.random.Generator, replicates: int, points: int, low: float, high: float, off: bool
) -> tuple[NDArray[np.int64], Array, Array, Array]:
    """Replicates, keys stratified within each, and how far two hyperparameters are off."""
    cell = np.array([rng.permutation(points) for _ in range(replicates)])
    unit = (cell + rng.uniform(size=cell.shape)) / points
    size = replicates * points
    factors = rng.uniform(-1, 1, (2, size)) * np.log10(FACTOR) * off
    replicate_N = np.repeat(np.arange(replicates), points)
    return replicate_N, (low + unit * (high - low)).ravel(), factors[0], factors[1]


def _scores(
    world: World,
    optimizer: Optimizer,
    rng: np.random.Generator,
    data: dict[str, Array],
    r_N: NDArray[np.int64],
    x_N: Array,
    a_N: Array,
    b_N: Array,
) -> Array:
    n = len(x_N)
    own_N = np.maximum(b_N, 0) if optimizer.one_sided else b_N
    step_N = x_N + optimizer.unit + world.ridge * a_N + optimizer.nuisance * own_N
    step_N = step_N + data["shift_R"][r_N] + optimizer.data_blur * data["blur_R"][r_N]
    step_N = step_N + rng.normal(size=n) * np.hypot(world.steep_noise, optimizer.blur)
    score_N = optimizer.score(step_N) + optimizer.gain + data["level_R"][r_N]
    score_N = score_N + world.noise * rng.normal(size=n)
    score_N[rng.uniform(size=n) < optimizer.collapses] = TRIVIAL
    return np.maximum(score_N, TRIVIAL)
