"""The colour maps: equal steps look equal, and the colour-blind tell the ends apart."""

from __future__ import annotations

import numpy as np
import pytest

from agsam_tune.report.figures.colours import DIFFERENCE_MAP, SPREAD_MAP, STEPS, to_lab, to_rgb

# G. Machado, M. Oliveira and L. Fernandes, "A physiologically-based model for simulation of color
# vision deficiency", 2009: severity 1.0, on linear RGB.
BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def as_seen(rgb: np.ndarray, kind: str) -> np.ndarray:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(BLINDNESS[kind]).T, 0, 1)
    return np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)


def test_known_colours_in_cielab() -> None:
    lab = to_lab([[1, 1, 1], [0, 0, 0], [1, 0, 0]])
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]]
    np.testing.assert_allclose(lab, expected, atol=0.02)


def test_cielab_goes_there_and_back() -> None:
    rgb = np.random.default_rng(1).random((200, 3))
    np.testing.assert_allclose(to_rgb(to_lab(rgb)), rgb, atol=1e-9)


@pytest.mark.parametrize("colours", [DIFFERENCE_MAP, SPREAD_MAP], ids=lambda one: one.name)
def test_all_steps_of_a_map_look_equally_large(colours: object) -> None:
    lab = to_lab(np.array(colours.colors))  # type: ignore[attr-defined]
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert len(steps) == STEPS - 1
    assert steps.max() / steps.min() < 1.02


def test_the_difference_is_as_strong_to_either_side() -> None:
    lab = to_lab(np.array(DIFFERENCE_MAP.colors))
    np.testing.assert_allclose(lab[:, 0], lab[::-1, 0], atol=0.3)
    assert lab[STEPS // 2, 0] == pytest.approx(95, abs=0.1)
    assert (np.diff(lab[: STEPS // 2 + 1, 0]) > 0).all()


@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_colour_blind_tell_better_from_worse(kind: str) -> None:
    ends = to_lab(as_seen(np.array(DIFFERENCE_MAP.colors)[[0, 64, -65, -1]], kind))
    assert np.linalg.norm(ends[0] - ends[3]) > 60
    assert np.linalg.norm(ends[1] - ends[2]) > 30
