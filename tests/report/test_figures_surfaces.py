"""Surfaces and differences: where things are drawn, and that the uncertain is marked as such."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from agsam_tune.report.figures import differences, surface_plates, surfaces
from agsam_tune.report.figures.unit_square import CELLS, common_boxes, picture, unit_share
from agsam_tune.report.svg import drawing
from tests.report.full import material_of

RHO: Any = SimpleNamespace(low=0.01, high=1.0, log=True)
ALPHA: Any = SimpleNamespace(low=0.0, high=1.0, log=False)
BOXES = {"rho": RHO, "alpha": ALPHA}


def nodes(n: int = 9) -> tuple[np.ndarray, np.ndarray]:
    x, y = (one.ravel() for one in np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n)))
    return x, y


def test_a_picture_has_rows_along_y_and_reproduces_a_plane() -> None:
    x, y = nodes()
    shuffled = np.random.default_rng(0).permutation(len(x))
    cells = picture(x[shuffled], y[shuffled], (2 * x + y)[shuffled])
    assert cells is not None
    at = (np.arange(CELLS) + 0.5) / CELLS
    np.testing.assert_allclose(cells, 2 * at[None, :] + at[:, None], atol=1e-9)


def test_a_picture_ends_half_a_node_beyond_its_grid() -> None:
    x, y = nodes(5)
    cells = picture(0.5 * x, y, np.ones(len(x)))
    assert cells is not None
    at = (np.arange(CELLS) + 0.5) / CELLS
    # Nodes are 0.125 apart, so that the last cell is at 0.5 + 0.0625.
    assert np.array_equal(np.isfinite(cells[0]), at <= 0.5625)


def test_what_is_unknown_everywhere_makes_no_picture() -> None:
    x, y = nodes()
    assert picture(x, y, np.full(len(x), np.nan)) is None


def test_a_grid_of_one_line_makes_no_picture() -> None:
    assert picture(np.array([0.1, 0.9]), np.array([0.5, 0.5]), np.array([1.0, 2.0])) is None
    assert picture(np.empty(0), np.empty(0), np.empty(0)) is None


def test_shares_are_of_the_ranges_own_scale() -> None:
    np.testing.assert_allclose(unit_share([0.01, 0.1, 1.0], RHO), [0, 0.5, 1])
    np.testing.assert_allclose(unit_share([0.0, 0.25], ALPHA), [0, 0.25])


def test_a_common_box_is_what_both_have() -> None:
    other: Any = {"rho": SimpleNamespace(low=0.1, high=5.0, log=True)}
    common = common_boxes(BOXES, other)
    assert (common["rho"].low, common["rho"].high) == (0.1, 1.0)
    assert (common["alpha"].low, common["alpha"].high, common["alpha"].log) == (0.0, 1.0, False)


def test_plates_have_the_mean_and_both_uncertainties_of_every_optimizer() -> None:
    first, second = surface_plates.surface_plates(material_of("quick"))
    assert [first.key, second.key] == ["surface-1", "surface-2"]
    assert [panel.key for panel in second.panels] == [
        f"surface-gamma-{name}{measure}"
        for measure in ("", "-noise", "-uncertainty")
        for name in ("adaptive_gsam", "gsam_matched")
    ]
    assert "points alone" not in first.caption.lower()
    assert "gsam 0.40 points (R² 0.95, 95 % inside)" in first.caption


def test_an_unusable_surface_shows_points_alone_and_says_why() -> None:
    plate = surface_plates.surface_plates(material_of("quick", unusable=("gsam",)))[0]
    assert "Points alone for gsam: Left-out points are predicted with R² 0.41" in plate.caption
    titles, images = {}, {}
    with drawing():
        for panel in plate.panels:
            ax = Figure().add_subplot()
            panel.draw(ax)
            titles[panel.key], images[panel.key] = ax.get_title(loc="left"), len(ax.images)
    assert titles["surface-alpha-gsam"] == "gsam: points alone"
    assert images["surface-alpha-gsam"] == 0
    assert images["surface-alpha-adaptive_gsam"] == 1


def test_without_any_fit_there_are_points_alone() -> None:
    every = ("gsam", "adaptive_gsam", "gsam_matched", "sam")
    material = material_of("quick", unusable=every)
    plate = surface_plates.surface_plates(material)[0]
    assert [panel.key.rsplit("-", 1)[1] for panel in plate.panels] == [
        "adaptive_gsam",
        "gsam",
        "gsam_matched",
    ]
    assert "lines" not in plate.caption
    alpha, gamma = surface_plates.difference_plates(material)
    assert "Points alone: left-out points are predicted with R² 0.41" in alpha.caption
    assert "gsam has no gamma" in gamma.caption
    assert "hatched" not in alpha.caption + gamma.caption


def test_lines_are_below_the_measured_own_best() -> None:
    material = material_of("quick")
    points = pd.DataFrame(
        {"optimizer": "gsam", "rho": [0.1], "alpha": 0.5, "accuracy": 0.9}
    ).assign(failed=False, diverged=False)
    assert material.surfaces is not None
    boxes = material.study.search_spaces["gsam"].ranges
    one = surfaces.surface(
        points,
        material.surfaces.grid,
        boxes,
        optimizer="gsam",
        second="alpha",
        own_best=0.9,
    )
    assert one.mean is not None
    with drawing():
        ax = Figure().add_subplot()
        scale = surfaces.accuracy_scale(one.mean)
        surfaces.surface_panel(one, boxes, scale=scale, epsilons=(0.01, 0.03), small=False).draw(ax)
    [lines] = [one for one in ax.get_children() if isinstance(one, QuadContourSet)]
    assert list(lines.levels) == pytest.approx([87.0, 89.0])


def points(gain: float) -> pd.DataFrame:
    """The candidate is better by `gain` at rho 0.1, and has a point that the baseline lacks."""
    own = {"phase": "map", "rho": [0.1, 0.2], "alpha": 0.5, "accuracy": [0.8 + gain, 0.9]}
    table = pd.DataFrame(own | {"point": [0, 1], "optimizer": "new"})
    return pd.concat([table, table.iloc[:1].assign(optimizer="old", accuracy=0.8)])


def grid(difference: float, half: list[float]) -> pd.DataFrame:
    """A difference that is the same everywhere; half an interval's length at the four corners."""
    rho, x2 = np.repeat([0.01, 1.0], 2), np.tile([0.0, 1.0], 2)
    columns = {"second": "alpha", "rho": rho, "x2": x2, "difference": difference}
    table = pd.DataFrame(columns)
    return table.assign(low=difference - np.array(half), high=difference + np.array(half))


def made(gain: float, fitted: pd.DataFrame) -> differences.Difference:
    return differences.difference(
        points(gain), fitted, BOXES, candidate="new", baseline="old", second="alpha"
    )


def test_a_difference_is_candidate_minus_baseline_at_the_same_points() -> None:
    one = made(0.03, grid(-0.02, [0.01] * 4))
    np.testing.assert_allclose(one.values, [3.0])
    np.testing.assert_allclose((one.x, one.y), ([0.5], [0.5]))
    assert one.mean is not None
    np.testing.assert_allclose(one.mean, -2.0)
    assert one.reach == pytest.approx(2.0)


def test_without_a_fit_the_measured_differences_set_the_scale() -> None:
    one = made(-0.03, grid(0.0, [0.01] * 4).iloc[:0])
    assert one.mean is None
    assert one.reach == pytest.approx(3.0)


def test_the_line_runs_where_the_interval_ends_at_0() -> None:
    beyond = made(0.0, grid(0.02, [0.01, 0.01, 0.05, 0.05])).beyond
    assert beyond is not None
    # Half an interval is 2 points a quarter of the way from 1 to 5 points, along rho.
    crossing = (np.abs(beyond[0]).argmin() + 0.5) / CELLS
    assert crossing == pytest.approx(0.25, abs=1 / CELLS)


@pytest.mark.parametrize(
    ("half", "hatched", "outlined"),
    [
        ([0.01] * 4, False, False),
        ([0.03] * 4, True, False),
        ([0.01, 0.01, 0.04, 0.04], True, True),
    ],
)
def test_what_is_not_significant_is_hatched(
    half: list[float], hatched: bool, outlined: bool
) -> None:
    panel = differences.difference_panel(
        made(0.03, grid(0.02, half)), BOXES, candidate="new", baseline="old"
    )
    with drawing():
        ax = Figure().add_subplot()
        panel.draw(ax)
    sets = [one for one in ax.get_children() if isinstance(one, QuadContourSet)]
    assert any(one.filled and one.hatches == ["////"] for one in sets) is hatched
    assert any(not one.filled for one in sets) is outlined
    low, high = ax.images[0].get_clim()
    assert low == pytest.approx(-2.0)
    assert high == pytest.approx(2.0)
    assert ax.get_title(loc="left") == "new − old"
