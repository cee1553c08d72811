"""Studies with trainings of known truth: a formula of the step instead of a network.

The score is a plateau up to a length of step and chance beyond; an optimizer is the unit of its
key and what it reaches. All phases are drawn as the design draws them: paired across optimizers,
independent between replicates.

Shapes: R replicates, N trainings of a phase.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from agsam_tune.analysis import AnalysisFacts, Summary, analyse_data, best_settings, read_data
from agsam_tune.study import MISSET_FACTORS
from agsam_tune.study.model import AnalysisSettings, Phase, Range, SearchSpace, Training
from agsam_tune.study.study import Study

TRIVIAL, TOP, LENGTHS = 0.5, 0.92, (0.3, 3.0)
POINTS = {"map": 8, "key": 20, "off": 24, "radius": 12, "tune": 4, "misset": 8, "default": 1}

RHO = Range(low=0.005, high=8.0, log=True, default=0.1)
ALPHA = Range(low=0.001, high=1.0, log=True, default=0.04)


def space(name: str, *, rho: Range = RHO, ascent: bool = True, bare: bool = False) -> SearchSpace:
    ranges = {} if bare else {"rho": rho, "alpha": ALPHA}
    return SearchSpace(optimizer=name, ranges=ranges, ascent=ascent)


def study_of(
    *,
    phases: Mapping[str, int] = POINTS,
    spaces: Mapping[str, SearchSpace] | None = None,
    replicates: int = 8,
    max_replicates: int | None = None,
    **more: object,
) -> Study:
    """A study of `ours` and `theirs`, and of the bare `sgd`."""
    known = spaces or {
        "sgd": space("sgd", bare=True, ascent=False),
        "theirs": space("theirs"),
        "ours": space("ours"),
    }
    made = [
        Phase(
            name=name,
            points=None if name == "default" else points,
            sampler="sobol",
            factor=10.0 if name == "off" else None,
        )
        for name, points in phases.items()
    ]
    values = {
        "name": "planted",
        "task": "planted:task",
        "optimizers": tuple(known),
        "candidate": "ours",
        "baseline": "theirs",
        "replicates": replicates,
        "training": Training(epochs=1, batch_size=1, lr=0.1),
        "search_spaces": dict(known),
        "phases": tuple(made),
        "analysis": AnalysisSettings(max_replicates=max_replicates or replicates),
    }
    return Study.model_validate(values | more)


def facts_of(study: Study, **more: object) -> AnalysisFacts:
    values = {"trivial": TRIVIAL, "looks": (study.replicates,), "radius_range": LENGTHS}
    return AnalysisFacts(**(values | more))


def analysed(trials: pd.DataFrame, study: Study, facts: AnalysisFacts) -> Summary:
    """All but the surfaces, which take most of the time."""
    return analyse_data(read_data(trials, study, facts), brief=True)


def trials_of(
    study: Study,
    *,
    unit: Mapping[str, float] | None = None,
    gain: Mapping[str, float] | None = None,
    edge: Mapping[str, float] | None = None,
    collapses: Mapping[str, float] | None = None,
    noise: float = 0.004,
    seed: int = 0,
) -> pd.DataFrame:
    """The trials table of a study.

    Args:
        study: of `study_of`.
        unit: optimizer → what its key is multiplied by to give its step.
        gain: optimizer → what is added to its scores.
        edge: optimizer → the length of step at which it keeps half, 1 by default.
        collapses: optimizer → the share of trainings that end at chance.
        noise: standard deviation of a training's score.
        seed: of all that is drawn.
    """
    truth = {"unit": unit, "gain": gain, "edge": edge, "collapses": collapses}
    scored = pd.DataFrame()
    for number, phases in enumerate(
        ([p for p in study.phases if p.name != "misset"], study.phases)
    ):
        rows: list[dict[str, object]] = []
        for phase in phases if not number else [p for p in phases if p.name == "misset"]:
            for name in study.optimizers_of(phase.name):
                best = best_settings(scored, name) if number else {}
                for replicate in range(study.replicates):
                    rng = np.random.default_rng([seed, *phase.name.encode(), replicate])
                    around = best[replicate].hyperparameters if number else {}
                    rows += _replicate(study, phase, name, replicate, rng, around)
        if rows:
            new = _scored(pd.DataFrame(rows), study, noise, [seed, number], truth)
            scored = pd.concat([scored, new], ignore_index=True)
    return scored


def _scored(
    frame: pd.DataFrame,
    study: Study,
    noise: float,
    seed: list[int],
    truth: Mapping[str, Mapping[str, float] | None],
) -> pd.DataFrame:
    of = {what: frame["optimizer"].map(own or {}) for what, own in truth.items()}
    step_N = np.where(
        frame["phase"] == "radius", frame["rho"], frame["rho"] * of["unit"].fillna(1.0)
    )
    # What is off besides the key moves the step a little, as on a ridge.
    step_N = step_N * (frame["alpha"].fillna(0.04) / 0.04) ** 0.2
    level_R = np.random.default_rng(seed[0]).normal(scale=0.004, size=study.replicates)
    with np.errstate(divide="ignore"):
        x_N = np.nan_to_num(np.log10(step_N / of["edge"].fillna(1.0)), nan=-9.0)
    score_N = TRIVIAL + (TOP - TRIVIAL) / (1 + np.exp(x_N / 0.12))
    score_N += level_R[frame["replicate"]] + of["gain"].fillna(0.0)
    rng = np.random.default_rng(seed)
    collapsed_N = rng.uniform(size=len(frame)) < of["collapses"].fillna(0.0)
    for split in ("val_accuracy", "test_accuracy"):
        noisy_N = score_N + noise * rng.normal(size=len(frame))
        frame[split] = np.where(collapsed_N, TRIVIAL, np.maximum(noisy_N, TRIVIAL))
    frame["test_loss"] = 1 - frame["test_accuracy"]
    frame["radius"] = step_N
    frame["diverged"] = False
    frame["state"] = "COMPLETE"
    return frame


def _replicate(
    study: Study,
    phase: Phase,
    name: str,
    replicate: int,
    rng: np.random.Generator,
    best: Mapping[str, float],
) -> list[dict[str, object]]:
    ranges = study.search_spaces[name].ranges
    points = phase.points or 1
    cell = rng.permutation(points)
    unit = (cell + rng.uniform(size=points)) / points
    drawn = rng.uniform(size=(points, 2))
    rows = []
    for index in range(1 if not ranges else points):
        settings = _settings(study, phase.name, ranges, unit[index], drawn[index], index, best)
        seeds = 2 if phase.name == "map" and index % 4 == 0 and ranges else 1
        rows += [
            {
                "optimizer": name,
                "phase": phase.name,
                "replicate": replicate,
                "point": replicate * points + index,
                "seed": s,
                "rho": np.nan,
                "alpha": np.nan,
                **settings,
            }
            for s in range(seeds)
        ]
    return rows


def _settings(
    study: Study,
    phase: str,
    ranges: Mapping[str, Range],
    unit: float,
    drawn: np.ndarray,
    index: int,
    best: Mapping[str, float],
) -> dict[str, float]:
    if not ranges:
        return {}
    default = {key: own.default for key, own in ranges.items()}
    factor = 10 ** (2 * drawn[0] - 1)
    if phase in ("map", "tune"):
        places = dict(zip(ranges, (unit, drawn[0]), strict=True))
        return {k: own.low * (own.high / own.low) ** places[k] for k, own in ranges.items()}
    if phase == "radius":
        length = LENGTHS[0] * (LENGTHS[1] / LENGTHS[0]) ** unit
        return {"rho": length, "alpha": default["alpha"] * factor}
    if phase == "default":
        return default
    if phase == "misset":
        if index % 2 == 0:
            return {k: v * 10 ** (2 * u - 1) for (k, v), u in zip(best.items(), drawn, strict=True)}
        alone = ("rho", "alpha")[index // 2 % 2]
        return {**best, alone: best[alone] * MISSET_FACTORS[int(drawn[1] * len(MISSET_FACTORS))]}
    box = study.key_box or (1.0, 1.0)
    low, high = box[0] / study.factor, box[1] * study.factor
    rho = low * (high / low) ** unit
    return {"rho": rho, "alpha": default["alpha"] * (factor if phase == "off" else 1.0)}
