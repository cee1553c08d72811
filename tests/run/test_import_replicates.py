"""`agsam-tune import` of replicates and their phases: any labels, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agsam_tune.errors import UsageError
from agsam_tune.importing import ImportOptions, import_trials
from agsam_tune.importing.options import ImportOptions as Options
from agsam_tune.importing.tables import read_frame
from agsam_tune.importing.trials import Checked, check_trials
from agsam_tune.reporting import analysed, read_run

CASE = Path(__file__).parents[1] / "fixtures" / "moons_lenses.csv.gz"
#: In points, beside the case: score and regret of each candidate in each fair lens.
KNOWN = {
    ("adaptive_gsam", "own_scale"): (-0.02, 0.07, "equivalent"),
    ("adaptive_gsam", "equal_radius"): (3.52, 3.62, "candidate"),
    ("gsam_third", "own_scale"): (0.01, 0.04, "equivalent"),
}


@pytest.mark.parametrize("candidate", ["adaptive_gsam", "gsam_third"])
@pytest.mark.parametrize("ranges", [{"rho": (0.005, 8.0)}, {}], ids=["said", "from the data"])
def test_real_trainings_give_the_known_figures(
    candidate: str, ranges: dict[str, tuple[float, float]], tmp_path: Path
) -> None:
    roles = {"candidate": candidate, "baseline": "gsam"}
    options = ImportOptions(
        source=str(CASE), out=tmp_path / "out", chance=0.5, ranges=ranges, **roles
    )
    import_trials(options)
    summary = analysed(read_run(tmp_path / "out"))
    assert summary.design.replicates == 16
    assert summary.design.key_box == pytest.approx((0.005, 8.0), rel=0.07)
    for (name, lens), (score, regret, verdict) in KNOWN.items():
        rows = [summary.comparison(lens, metric) for metric in ("score", "regret")]
        if name == candidate:
            found = [row and row.estimate and 100 * row.estimate for row in rows]
            assert found == [pytest.approx(known, abs=0.05) for known in (score, regret)]
            assert {row and row.verdict for row in rows} == {verdict}
    supported = candidate == "adaptive_gsam"
    assert summary.claim.verdict == ("supported" if supported else "no_difference")
    if not supported:  # it has no trainings of a given length
        row = summary.comparison("equal_radius", "regret")
        assert row is not None
        assert row.verdict == "not_applicable"


def table(*, labels: Any = (0, 1, 2), through: bool = True, **columns: Any) -> pd.DataFrame:
    """Three replicates of four points, two optimizers; `columns` may be per point."""
    rows = [
        {
            "optimizer": name,
            "replicate": label,
            "point": 4 * place + index if through else index,
            "seed": 0,
            "rho": 0.01 * 1.7 ** (4 * place + index),
            "test_accuracy": 0.9 - 0.01 * index,
        }
        for name in ("sam", "asam")
        for place, label in enumerate(labels)
        for index in range(4)
    ]
    return pd.DataFrame(rows).assign(**columns)


def taken(frame: pd.DataFrame, **options: Any) -> Checked:
    return check_trials(read_frame(frame), Options(source="x", out=Path("x"), **options))


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        ((0, 1, 2), [0, 1, 2]),
        ((7, 3, 11), [7, 3, 11]),
        (("b", "a", "seed 3"), [0, 1, 2]),
        ((0.5, -1, 2), [0, 1, 2]),
    ],
)
@pytest.mark.parametrize("through", [True, False])
def test_labels_of_any_kind_are_replicates(labels: Any, numbers: list[int], through: bool) -> None:
    checked = taken(table(labels=labels, through=through))
    order = checked.trials.sort_values(["optimizer", "rho"])["replicate"].tolist()
    assert order == [n for n in numbers for _ in range(4)] * 2
    assert checked.trials["point"].nunique() == 12
    assert checked.data == "per_replicate"
    said = any("points through the replicates, in map" in note for note in checked.notes)
    assert said == (not through)


def test_points_count_as_independent_where_nothing_says_more() -> None:
    bare = pd.DataFrame(
        {"optimizer": "sgd", "point": 0, "seed": [3, 4, 9], "test_accuracy": [0.8, 0.9, 0.7]}
    )
    checked = taken(pd.concat([table().drop(columns="replicate"), bare], ignore_index=True))
    tuned = checked.trials[checked.trials["optimizer"] != "sgd"]
    assert (tuned["replicate"] == tuned["point"]).all()
    own = checked.trials[checked.trials["optimizer"] == "sgd"]
    assert own["replicate"].tolist() == own["point"].tolist() == [3, 4, 9]
    assert set(own["seed"]) == {0}
    assert checked.data == "fixed"
    assert any("Points are taken as independent" in note for note in checked.notes)


def test_a_table_of_the_first_design_has_points_for_replicates(tmp_path: Path) -> None:
    rows = table()
    blocks = pd.concat([rows.assign(phase="map"), rows.assign(phase="iid", replicate=np.nan)])
    checked = taken(blocks.reset_index(drop=True))
    assert (checked.trials["replicate"] == checked.trials["point"]).all()
    assert any("of this program's first design" in note for note in checked.notes)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"replicate": [None, *[0] * 3, *[1] * 4, *[2] * 4] * 2}, "row 0, 12: empty, though other"),
        ({"replicate": [*[0] * 12, *[1] * 12]}, "another replicate than in other rows of that"),
        ({"replicate": [*[0] * 5, *[1] * 3, *[2] * 4] * 2, "seed": 0}, None),
        ({"phase": "radius", "rho": [None, *[0.1] * 23]}, "row 0: needed: lengths of steps > 0"),
        ({"phase": "radius", "rho": [0.0, *[0.1] * 23]}, "row 0: needed: lengths of steps > 0"),
    ],
)
def test_what_no_replicate_can_be_is_refused(change: dict[str, Any], expected: str | None) -> None:
    if expected is None:
        assert len(taken(table(**change)).trials) == 24
        return
    with pytest.raises(UsageError, match=expected.replace("row 0, 12", "rows 0, 12")):
        taken(table(**change))


def test_the_length_of_a_step_is_no_hyperparameter() -> None:
    """Of an optimizer without rho; what is off and drawn stays what it is."""
    drawn = table().rename(columns={"rho": "lr"}).assign(phase="key", rho=np.nan)
    lengths = drawn.assign(phase="radius", rho=0.1 * 1.3 ** drawn["point"])
    checked = taken(pd.concat([drawn, lengths], ignore_index=True))
    assert checked.spaces["sam"].names == ("lr",)
    assert checked.trials["rho"].notna().sum() == len(lengths)
    assert checked.drawn["sam", "radius", "rho"] == pytest.approx((0.1, 0.1 * 1.3**11))
    assert checked.drawn["sam", "key", "lr"] == pytest.approx((0.01, 0.01 * 1.7**11))


def test_a_range_may_be_said_and_is_checked() -> None:
    said = taken(table(), ranges={"rho": (0.001, 100.0)})
    assert (said.spaces["sam"].ranges["rho"].low, said.spaces["sam"].ranges["rho"].high) == (
        0.001,
        100.0,
    )
    with pytest.raises(UsageError, match=r"found 0.01, allowed: 0.05 to 1, the range of --range"):
        taken(table(), ranges={"rho": (0.05, 1.0)})
    with pytest.raises(UsageError, match=r"--range: found 'roh', .*did you mean 'rho'"):
        taken(table(), ranges={"roh": (0.05, 1.0)})


def test_the_box_is_inside_what_is_off() -> None:
    off = table().assign(phase="off", rho=lambda t: 0.001 * 3.0 ** t["point"])
    low, high = 0.001, 0.001 * 3.0**11
    box = taken(off, factor=3.0).spaces["sam"].ranges["rho"]
    assert (box.low, box.high) == pytest.approx((low * 3, high / 3))
    # A map shows the box itself.
    both = pd.concat([off, table().assign(phase="map")], ignore_index=True)
    box = taken(both, factor=3.0).spaces["sam"].ranges["rho"]
    assert (box.low, box.high) == pytest.approx((0.01, 0.01 * 1.7**11))


def test_defaults_are_what_the_key_was_varied_at() -> None:
    alpha = np.where(np.arange(24) % 2 == 0, 0.3, 0.03)
    rows = [table().assign(phase="off", alpha=alpha), table().assign(phase="key", alpha=0.1)]
    checked = taken(pd.concat(rows, ignore_index=True))
    assert checked.spaces["sam"].ranges["alpha"].default == 0.1


@pytest.mark.parametrize("replicates", [True, False], ids=["replicates", "points"])
def test_settings_drawn_apart_are_compared_as_two_tables_are(
    replicates: bool, tmp_path: Path
) -> None:
    """A sweep's, where each optimizer has draws of its own and no point is in both."""
    generator = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "optimizer": name,
            "replicate": f"run {replicate}",
            "phase": phase,
            "lr": 10 ** generator.uniform(*ends),
            "test_accuracy": generator.uniform(0.6, 0.9),
        }
        for name in ("adam", "sgd")
        for replicate in range(4)
        for phase, ends, points in (("key", (-5, 1), 12), ("off", (-5, 1), 14), ("map", (-4, 0), 8))
        for _ in range(points)
    ).drop(columns=[] if replicates else "replicate")
    for name in ("adam", "sgd", "both"):
        own = rows if name == "both" else rows[rows["optimizer"] == name]
        own.to_csv(tmp_path / f"{name}.csv", index=False)
    found = []
    for number, sources in enumerate((["both"], ["adam", "sgd"])):
        files = [str(tmp_path / f"{name}.csv") for name in sources]
        other = dict(zip(("source", "other"), files, strict=False))
        roles = {"candidate": "adam", "baseline": "sgd"}
        out = tmp_path / str(number)
        imported = import_trials(ImportOptions(**other, **roles, out=out, chance=0.1))
        assert any("share no point" in note for note in imported.notes) == (number == 0)
        found.append(analysed(read_run(out)))
    ours, theirs = found
    for lens in ("same_setting", "own_scale"):
        for metric in ("score", "regret"):
            row, same = (one.comparison(lens, metric) for one in (ours, theirs))
            assert row is not None
            assert same is not None
            assert None not in (row.estimate, row.verdict_low, row.verdict_high)
            if replicates:  # else points are numbered through both, and halved otherwise
                assert row == same
