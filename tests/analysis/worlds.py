"""Planted worlds for simulations: surfaces, noise and divergence with known truth.

In every world `gsam` is the baseline and `adaptive_gsam` the candidate; in the self-comparing
ones both have the same truth, so that every winner is a false one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.synthetic import Settings, Truth, World, synthetic_study

PAIR = ("gsam", "adaptive_gsam")

Surface = Callable[[Settings], np.ndarray]


def hill(*, steepness: float = 0.015, scale: float = 1.0, top: float = 0.92) -> Surface:
    """A parabola in log10 rho around 0.3 / scale, falling a little with alpha."""

    def surface(settings: Settings) -> np.ndarray:
        x = np.log10(scale * settings["rho"]) + 0.5
        return top - steepness * x**2 - 0.02 * settings["alpha"]

    return surface


def cliff(*, scale: float = 1.0, edge: float = 0.3, top: float = 0.92) -> Surface:
    """A plateau that slopes down to a cliff, sooner with large alpha, and chance beyond it."""

    def surface(settings: Settings) -> np.ndarray:
        x, alpha = np.log10(scale * settings["rho"]), settings["alpha"]
        slope = 0.03 * np.maximum(x + 0.5, 0) + 0.004 * np.maximum(-0.5 - x, 0) + 0.02 * alpha
        return np.where(x > edge - 0.3 * alpha, 0.5, top - slope)

    return surface


def growing_noise(scale: float = 1.0) -> Surface:
    """Noise of 0.3 points at small rho and ten times that beyond rho = 1 / scale."""

    def noise(settings: Settings) -> np.ndarray:
        return 0.003 + 0.03 / (1 + np.exp(-4 * (np.log10(scale * settings["rho"]) - 0.1)))

    return noise


def beyond(edge: float, scale: float = 1.0) -> Callable[[Settings], np.ndarray]:
    """Divergence where scale * rho is above `edge`."""
    return lambda settings: scale * settings["rho"] > edge


def collapsing(settings: Settings) -> np.ndarray:
    """Three of ten trials collapse beyond rho = 0.5."""
    return np.where(settings["rho"] > 0.5, 0.3, 0.0)


def sometimes(settings: Settings) -> np.ndarray:
    """One trial in fifty collapses at small rho, and one in five at large: the best's too."""
    return 0.02 + 0.18 / (1 + (settings["rho"] / 0.3) ** -1.7)


def corner(settings: Settings) -> np.ndarray:
    """Divergence in one corner, a fiftieth of the search space."""
    return (settings["rho"] > 2.5) & (settings["alpha"] > 0.9)


def radius_of(scale: float) -> Callable[[Settings], np.ndarray]:
    return lambda settings: scale * settings["rho"]


def self_comparison(kind: str, *, seed: int, **study: Any) -> World:
    """A world in which candidate and baseline have the same truth."""
    truths = {
        "hill": Truth(surface=hill()),
        "cliff": Truth(surface=cliff(), noise=growing_noise(), diverges=beyond(4.0)),
        "collapse": Truth(surface=hill(), noise=growing_noise(), collapse=collapsing),
        "seeds": Truth(surface=hill(steepness=0.03)),
        "bimodal": Truth(surface=hill(steepness=0.03), collapse=sometimes),
        "corner": Truth(surface=hill(), noise=growing_noise(), diverges=corner),
    }
    effect = 0.01 if kind == "seeds" else 0.002
    return _world(dict.fromkeys(PAIR, truths[kind]), seed=seed, effect=effect, **study)


def unit_change(*, seed: int, **study: Any) -> World:
    """The candidate and the control are the baseline with rho in another unit, and no more."""
    third = 1 / 3
    changed = Truth(
        surface=cliff(scale=third),
        noise=growing_noise(third),
        diverges=beyond(4.0, third),
        radius=radius_of(third),
    )
    plain = Truth(surface=cliff(), noise=growing_noise(), diverges=beyond(4.0))
    truths = {"gsam": plain, "adaptive_gsam": changed, "gsam_matched": changed}
    return _world(truths, seed=seed, effect=0.002, **study)


def wider_hill(*, seed: int, **study: Any) -> World:
    """The candidate loses a quarter of what the baseline loses, in every lens."""
    truths = {
        "gsam": Truth(surface=hill(steepness=0.12)),
        "adaptive_gsam": Truth(surface=hill(steepness=0.03)),
    }
    return _world(truths, seed=seed, effect=0.002, **study)


def _world(truths: dict[str, Truth], *, seed: int, effect: float, **study: Any) -> World:
    defaults = {"optimizers": tuple(truths), "tune": 16, "seed": seed}
    return World(study=synthetic_study(**(defaults | study)), truths=truths, seed_effect=effect)


def planted(surface: Surface, noise: Surface, *, seed: int, **study: Any) -> World:
    """The candidate alone, with this surface and noise, and nothing but a map."""
    truth = Truth(surface=surface, noise=noise)
    options = {"candidate": None, "misset_seeds": 0, "tune": 0}
    return _world({"adaptive_gsam": truth}, seed=seed, effect=0.001, **(options | study))
