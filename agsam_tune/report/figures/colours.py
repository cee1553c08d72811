"""Colour maps whose steps look equally large: straight lines in CIELAB.

In: colours as (lightness, a, b). Out: matplotlib colour maps. numpy and matplotlib only.

Equal steps along a straight line in CIELAB are equal colour differences ΔE*ab (CIE 15:2004), so
such a map is perceptually uniform by construction; lightness alone orders its colours, so they
stay in order for the colour-blind and in print without colour. A diverging map is two such lines
of equal length that meet in a light grey (Moreland, "Diverging color maps for scientific
visualization", 2009).
"""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# IEC 61966-2-1 (sRGB, white point D65): linear RGB to XYZ.
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])
_KNEE = 6 / 29
STEPS = 257
"""Odd, so that a diverging map has its centre at exactly 0."""


def to_lab(rgb_N3: ArrayLike) -> Floats:
    """sRGB (0 to 1) to CIELAB under D65."""
    rgb = np.asarray(rgb_N3, dtype=float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    share = (linear @ _TO_XYZ.T) / _WHITE
    f = np.where(share > _KNEE**3, np.cbrt(share), share / (3 * _KNEE**2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def to_rgb(lab_N3: ArrayLike) -> Floats:
    """CIELAB under D65 to sRGB; what a screen cannot show is cut to 0 or 1."""
    lab = np.asarray(lab_N3, dtype=float)
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    share = np.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29))
    linear = np.clip((share * _WHITE) @ np.linalg.inv(_TO_XYZ).T, 0, 1)
    rgb: Floats = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb


def straight(name: str, *stops: tuple[float, float, float]) -> ListedColormap:
    """The map through CIELAB colours at even distances, straight between neighbours."""
    places = np.linspace(0, 1, len(stops))
    at = np.linspace(0, 1, STEPS)
    lab = np.stack([np.interp(at, places, axis) for axis in np.array(stops).T], axis=-1)
    return ListedColormap(to_rgb(lab), name=name)


# Of one lightness and chroma; the hues are those of the baseline's blue and the candidate's
# vermillion, the blue a little nearer to violet, where a screen can show it this strong.
DIFFERENCE_MAP = straight("difference", (42.0, 8.7, -49.2), (95.0, 0.0, 0.0), (42.0, 30.1, 39.9))
"""Blue where the baseline is better, light grey at 0, vermillion where the candidate is."""

SPREAD_MAP = straight("spread", (96.0, 0.0, 0.0), (25.0, 30.0, -40.0))
"""Of standard deviations: light where small, violet where large."""
