"""The tables of comparisons and of each lens.

In: the `Material`. Out: tables, None where the study has nothing for one. Must not import torch,
Ray, Optuna or matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agsam_tune.analysis.record import Comparison, Curve, Metric
from agsam_tune.report import text
from agsam_tune.report.blocks import Badge, Cell, Fold, Number, Table, table
from agsam_tune.report.links import lens_trials
from agsam_tune.report.material import Material

__all__ = [
    "CURVE_WORDS",
    "comparison_cells",
    "curve_folds",
    "fixed_table",
    "metrics_table",
    "needed_table",
    "other_comparisons_table",
    "own_best_table",
    "verdicts_table",
    "windows_table",
    "x_words",
]

CURVE_WORDS = {
    "key": "Others at their defaults",
    "off": "Everything off",
    "radius": "At exact step lengths",
    "map": "Over the map",
    "range": "Along the measured radius",
    "misset": "Around the own best",
}


def verdict_badge(material: Material, verdict: str) -> Badge:
    """A lens's or a claim's verdict; who wins is called by name."""
    names = {"candidate": material.summary.candidate, "baseline": material.summary.baseline}
    side = verdict.removeprefix("level_")
    words = text.VERDICTS.get(verdict, verdict).lower()
    if side in names:
        words = f"{names[side]} is better" if side == verdict else f"level: {names[side]} higher"
    return Badge(key=verdict, words=words)


def verdicts_table(material: Material) -> Table | None:
    """The rows that verdicts are made of."""
    rows = [row for row in material.summary.comparisons if _has_verdict(material, row)]
    return table(
        f"What each lens says of {material.pair_words}; of a regret, how much less is lost",
        ("lens", "number", "verdict", *_HEADS),
        (
            (
                text.LENSES[row.lens],
                material.label(row.metric),
                verdict_badge(material, row.verdict or ""),
                *comparison_cells(material, row),
            )
            for row in rows
        ),
    )


_HEADS = ("difference", "verdict's interval", "of", "reason")


def comparison_cells(material: Material, row: Comparison) -> tuple[Cell, ...]:
    """A difference with its intervals, how many replicates it is of, and a reason."""
    unit = material.unit(row.metric)
    words = f"{material.label(row.metric)}, {row.candidate} − {row.baseline}"
    shown = text.with_interval(row.estimate, row.low, row.high, unit, sign=True)
    trials = (
        "" if row.estimate is None else lens_trials(material, row.lens, row.candidate, row.baseline)
    )
    judged = text.ends(row.verdict_low, row.verdict_high, unit, sign=True)
    return (
        Number(value=shown, below=unit.of_difference, trials=trials, what=f"{words}: {shown}"),
        Number(value=judged) if judged else "",
        text.counted(row.replicates, "replicate") if row.replicates else "",
        text.sentence(row.reason or ""),
    )


def other_comparisons_table(material: Material, lens: str) -> Table | None:
    """The lens's comparisons that no verdict is made of."""
    of_lens = [row for row in material.summary.comparisons if row.lens == lens]
    kept = text.without_repeats(row.metric for row in of_lens)
    rows = [row for row in of_lens if row.metric in kept and not _has_verdict(material, row)]
    return table(
        "Differences besides, of which no verdict is made; positive is better",
        ("difference of", "number", *_HEADS),
        (
            (
                f"{row.candidate} − {row.baseline}",
                material.label(row.metric),
                *comparison_cells(material, row),
            )
            for row in rows
        ),
    )


def _has_verdict(material: Material, row: Comparison) -> bool:
    return row.verdict is not None and material.is_of_pair(row)


def needed_table(material: Material) -> Table | None:
    """What would decide each lens, if what was found is so."""
    unit = material.unit("regret")
    return table(
        "What would decide a lens, if what was found is so",
        ("lens", "replicates", "verdict's interval, ±", "margin"),
        (
            (
                text.LENSES[row.lens],
                "more of the same would not decide it"
                if row.replicates is None
                else Number(value=text.count(row.replicates)),
                Number(value=text.number(row.half_width, unit), below=unit.name),
                Number(value=text.number(row.margin, unit), below=unit.name),
            )
            for row in material.summary.needed
        ),
    )


def metrics_table(material: Material, lens: str) -> Table | None:
    """A row a metric of the lens, a column an optimizer."""
    own = {
        name: {
            row.metric: row for row in material.summary.optimizers[name].metrics if row.lens == lens
        }
        for name in material.optimizers
    }
    names = [name for name in material.optimizers if own[name]]
    keys = text.without_repeats(dict.fromkeys(key for name in names for key in own[name]))
    return table(
        f"{text.LENSES[lens]}: each optimizer",
        ("", *names),
        (
            (
                _unit_label(material, key),
                *(metric_cell(material, own[name].get(key), name) for name in names),
            )
            for key in keys
        ),
    )


def _unit_label(material: Material, key: str) -> str:
    unit = material.unit(key).name
    return f"{material.label(key)} ({unit})" if unit else material.label(key)


def metric_cell(material: Material, row: Metric | None, optimizer: str) -> Cell:
    """A number with its interval, what it is of beneath, and why it is missing."""
    if row is None:
        return Number(value=text.DASH)
    shown = text.with_interval(row.value, row.low, row.high, material.unit(row.metric))
    of = [
        text.counted(n, word)
        for n, word in ((row.replicates, "replicate"), (row.trainings, "training"))
        if n
    ]
    below = [", ".join(of), text.sentence(row.reason or "")]
    return Number(
        value=shown,
        below=". ".join(filter(None, below)),
        trials="" if row.value is None else lens_trials(material, row.lens, optimizer),
        what=f"{material.label(row.metric)} of {optimizer}: {shown}",
    )


def own_best_table(material: Material) -> Table | None:
    """What a search reaches: the settings that the replicates chose, and whether they help."""
    found = {
        name: own
        for name in material.optimizers
        if (own := material.summary.optimizers[name].own_best) is not None
    }
    alone = "not known" if "sgd" in material.optimizers else "no sgd in the study to tell"
    helps = {True: "yes", False: "no", None: alone}
    return table(
        "Each replicate's own best setting: medians, and quartiles over the replicates",
        ("optimizer", "replicates", "setting", "quartiles", "better than the base optimizer"),
        (
            (
                name,
                Number(value=text.count(own.replicates)),
                text.setting(own.hyperparameters) or text.DASH,
                ", ".join(
                    f"{key} {text.short(low)} to {text.short(high)}"
                    for key, (low, high) in own.spread.items()
                ),
                helps[own.helps],
            )
            for name, own in found.items()
        ),
    )


def fixed_table(material: Material) -> Table | None:
    """A row a fixed point, a column a metric."""
    points = material.summary.fixed
    keys = tuple(dict.fromkeys(row.metric for point in points for row in point.metrics))
    rows = []
    for point in points:
        own = {row.metric: row for row in point.metrics}
        cells = (metric_cell(material, own.get(key), point.optimizer) for key in keys)
        setting = text.setting(point.hyperparameters) or text.DASH
        rows.append((point.optimizer, text.count(point.point), setting, *cells))
    heads = (_unit_label(material, key) for key in keys)
    return table("The study's own settings", ("optimizer", "point", "setting", *heads), rows)


def x_words(kind: str, hyperparameter: str) -> str:
    """What is along a curve: a setting, or the factor that it is off by."""
    return f"factor on {hyperparameter}" if kind == "misset" else hyperparameter


Named = tuple[str, Curve]
"""An optimizer's name with a curve of it."""


def windows_table(curves: Sequence[Named]) -> Table | None:
    """Where the best window of each curve is."""
    return table(
        "Best windows",
        ("optimizer", "curve", "of", "from", "to"),
        (
            (
                name,
                CURVE_WORDS[curve.kind],
                curve.hyperparameter,
                *(Number(value=text.short(end)) for end in curve.window),
            )
            for name, curve in curves
            if curve.window is not None
        ),
    )


def curve_folds(material: Material, curves: Sequence[Named]) -> Iterable[Fold]:
    """The numbers of the curves, those with the same x in one table."""
    groups: dict[tuple[str, str, tuple[float, ...]], list[Named]] = {}
    for name, curve in curves:
        groups.setdefault((curve.kind, curve.hyperparameter, curve.x), []).append((name, curve))
    for (kind, x_name, x), own in groups.items():
        words = f"{CURVE_WORDS[kind]}: the curve's numbers ({material.scores.name or 'score'})"
        rows = (
            (Number(value=text.short(at)), *(_curve_cell(material, one, i) for _, one in own))
            for i, at in enumerate(x)
        )
        made = table(words, (x_words(kind, x_name), *(name for name, _ in own)), rows)
        if made is not None:
            yield Fold(summary=words, blocks=(made,))


def _curve_cell(material: Material, one: Curve, place: int) -> Number:
    numbers = (one.mean[place], one.low[place], one.high[place])
    return Number(value=text.with_interval(*numbers, material.scores))
