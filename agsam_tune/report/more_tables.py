"""The tables of what is not a lens: the design, counts, the gap, surfaces, importance, tuning.

In: the `Material`. Out: tables, None where the study has nothing for one. Must not import torch,
Ray, Optuna or matplotlib.
"""

from __future__ import annotations

from collections.abc import Mapping

from agsam_tune.analysis.record import Importance, TuningRow
from agsam_tune.report import text
from agsam_tune.report.blocks import Cell, Number, Table, table
from agsam_tune.report.lens_tables import comparison_cells
from agsam_tune.report.links import selection
from agsam_tune.report.material import Material

_GAP: Mapping[str, str] = {
    "total": "the whole difference",
    "unit_part": "due to the unit",
    "direction_part": "due to the direction",
}


def design_table(material: Material) -> Table | None:
    """What the analysis was made with."""
    summary, design = material.summary, material.summary.design
    losses = material.unit("regret")
    lost = f" {losses.name}" if losses.name else ""
    score = f" {material.scores.name}" if material.scores.name else ""
    facts: list[tuple[str, str]] = [
        ("task", summary.task),
        ("candidate", summary.candidate or ""),
        ("baseline", summary.baseline or ""),
        ("control", summary.control or ""),
        ("replicates", text.count(design.replicates)),
        ("all trainings of this size are there", text.short(design.complete)),
        ("looks so far (replicates)", ", ".join(map(text.count, design.looks))),
        (
            "next look (replicates)",
            "" if design.next_look is None else text.count(design.next_look),
        ),
        ("replicates at most", text.count(design.max_replicates)),
        ("data", "each replicate its own" if design.data == "per_replicate" else "one for all"),
        ("key", design.key or ""),
        ("the key's box, of both", _range(design.key_box)),
        ("off by up to (F)", "" if design.factor is None else text.short(design.factor)),
        ("lengths of step", _range(design.radius_range)),
        ("metric", design.metric),
        ("trivial score", text.number(design.trivial, material.scores) + score),
        ("best", "" if design.best is None else text.number(design.best, material.scores) + score),
        ("margin at most", text.number(design.margin, losses) + lost),
        *(
            (f"margin, {text.LENSES[row.lens].lower()}", text.number(row.margin, losses) + lost)
            for row in summary.comparisons
            if row.metric == "regret" and row.verdict is not None and row.margin is not None
        ),
        ("confidence of intervals", f"{100 * design.confidence:g} %"),
        (
            "losses that one might tolerate",
            ", ".join(text.number(epsilon, losses) + lost for epsilon in design.epsilons),
        ),
    ]
    rows = [(name, value) for name, value in facts if value]
    return table("What the analysis was made with", ("what", "value"), rows)


def _range(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{text.short(ends[0])} to {text.short(ends[1])}"


_COUNTS = ("trainings", "diverged", "collapsed", "failed")
_FLAGS: Mapping[str, Mapping[str, str]] = {
    "trainings": {"state": "COMPLETE"},
    "diverged": {"diverged": "yes", "state": "COMPLETE"},
    "collapsed": {"collapsed": "yes", "state": "COMPLETE"},
    "failed": {"state": "FAIL"},
}


def counts_table(material: Material) -> Table | None:
    """Trainings by what became of them, of each optimizer and in all."""
    rows: list[tuple[Cell, ...]] = []
    for name in material.optimizers:
        own = material.summary.optimizers[name]
        counts = (_count(getattr(own, key), key, name) for key in _COUNTS)
        clipped = Number(value=text.number(own.clipped_share, text.SHARE), below="%")
        rows.append((name, ", ".join(own.hyperparameters) or text.DASH, *counts, clipped))
    whole = material.summary.counts
    counts = (_count(getattr(whole, key), key, None) for key in _COUNTS)
    rows.append(("all", "", *counts, ""))
    return table(
        "Trainings",
        ("optimizer", "hyperparameters", *_COUNTS, "draws of off, radius and misset at a bound"),
        rows,
    )


def _count(n: int, key: str, optimizer: str | None) -> Number:
    whose = {} if optimizer is None else {"optimizer": optimizer}
    trials = selection({**whose, **_FLAGS[key]}) if n else ""
    return Number(
        value=text.count(n), trials=trials, what=f"{key} of {optimizer or 'all optimizers'}"
    )


def gap_table(material: Material) -> Table | None:
    """The gap's parts, of the mean score and of the regret."""
    rows = []
    for row in material.summary.gap:
        metric, _, part = row.metric.partition(".")
        pair = f"{row.candidate} − {row.baseline}"
        name = _GAP.get(part, part)
        rows.append((material.label(metric), name, pair, *comparison_cells(material, row)))
    heads = ("number", "part", "difference of", "difference", "verdict's interval", "of", "reason")
    return table("The gap's parts on paired points of the map", heads, rows)


def surfaces_table(material: Material) -> Table | None:
    """How well each fitted surface says what new trainings would."""
    rows = []
    for name in material.optimizers:
        own = material.summary.optimizers[name].surface
        if own is None:
            continue
        below = "" if own.noise_share is None else "%"
        share = Number(value=text.number(own.noise_share, text.SHARE), below=below)
        r2 = Number(value=text.DASH if own.r2 is None else text.fixed(own.r2, 3))
        rows.append((name, text.short(own.fitted), r2, share, text.sentence(own.reason or "")))
    return table(
        "The fitted surfaces", ("optimizer", "fitted", "R²", "noise's share", "reason"), rows
    )


def importance_table(material: Material) -> Table | None:
    """A row a hyperparameter (or a pair) in one sense, a column an optimizer."""
    own = {
        name: {(row.method, row.hyperparameters): row for row in record.importance}
        for name, record in material.summary.optimizers.items()
    }
    names = [name for name in material.optimizers if own[name]]
    keys = sorted(
        dict.fromkeys(key for name in names for key in own[name]),
        key=lambda key: list(text.METHODS).index(key[0]),
    )
    return table(
        "The share of each hyperparameter (%)",
        ("in the sense of", "hyperparameter", *names),
        (
            (
                text.METHODS[method],
                " × ".join(hyperparameters),
                *(_importance(own[name].get((method, hyperparameters))) for name in names),
            )
            for method, hyperparameters in keys
        ),
    )


def _importance(row: Importance | None) -> Number:
    if row is None:
        return Number(value=text.DASH)
    shown = text.with_interval(row.value, row.low, row.high, text.SHARE)
    return Number(value=shown, below=text.sentence(row.reason or ""))


def effective_table(material: Material) -> Table | None:
    """The effective number of hyperparameters."""
    rows = []
    for name in material.optimizers:
        own = material.summary.optimizers[name].effective_number
        if own is None:
            continue
        shown = text.with_interval(own.value, own.low, own.high, text.WHOLE)
        rows.append((name, Number(value=shown), text.sentence(own.reason or "")))
    return table("Effective number of hyperparameters", ("optimizer", "number", "reason"), rows)


def tuning_table(material: Material) -> Table | None:
    """The best score after so many trials, by optimizer, and the pair's difference."""
    by_place = {(row.optimizer, row.trials): row for row in material.summary.tuning}
    names: list[str | None] = [
        name for name in material.optimizers if any(key[0] == name for key in by_place)
    ]
    if any(name is None for name, _ in by_place):
        names.append(None)
    unit = f" ({material.scores.name})" if material.scores.name else ""
    heads = [f"{name}{unit}" for name in names if name is not None]
    return table(
        "Best score after so many trials",
        ("trials", *heads, *([material.pair_words] if None in names else [])),
        (
            (
                Number(value=text.count(n)),
                *(_tuning(material, by_place.get((name, n))) for name in names),
            )
            for n in sorted({n for _, n in by_place})
        ),
    )


def _tuning(material: Material, row: TuningRow | None) -> Cell:
    if row is None:
        return Number(value=text.DASH)
    of_pair = row.optimizer is None
    unit = material.unit("regret") if of_pair else material.scores
    return Number(value=text.with_interval(row.value, row.low, row.high, unit, sign=of_pair))


def published_table(material: Material) -> Table | None:
    """Published numbers beside ours."""
    rows = []
    for row in material.summary.published:
        unit = text.unit_of(row.metric, material.metric)
        name = row.metric.replace("_", " ") + (f" ({unit.name})" if unit.name else "")
        ours = text.with_interval(row.ours, row.low, row.high, unit)
        published = Number(value=text.number(row.published, unit))
        rows.append((row.source, row.optimizer, name, published, Number(value=ours)))
    return table("Published numbers", ("source", "optimizer", "number", "published", "ours"), rows)
