"""The notes of the dashboard's studies: what each is, the verdict, every number, where to look.

In: the study, and its `Summary`. Out: Markdown and short facts. Must not import torch, Ray or
Optuna.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from agsam_tune.analysis.record import Comparison, Metric, OptimizerRecord, Summary
from agsam_tune.dashboard.markdown import bullets, link, plain, sections, table
from agsam_tune.dashboard.places import REPORT_PATH, Places, compare_path, study_path, trials_path
from agsam_tune.report import text
from agsam_tune.report.looks import look_words
from agsam_tune.study import Study

Row = TypeVar("Row", Metric, Comparison)

LENGTH = ("sam", "gsam", "gap_penalty")
"""Optimizers whose rho is the length of the step itself."""
UNITS: Mapping[str, str] = {
    "rho": "a factor of the ascent step; the measured length is the trial's radius ‖Δw‖",
    "alpha": "a factor, no unit",
    "gamma": "as the weights: it is added to |w|",
    "lam": "a share, 0 to 1",
    "lr": "step along the update, per step",
    "momentum": "the share of the last update that is kept",
    "weight_decay": "added gradient per weight",
}
FACTS = ("score", "regret", "tuned")
"""Metrics in the table on a study's page."""
_RHO_LENGTH = "the length ‖Δw‖ of the ascent step, as the weights"
_OWN_UNIT = "the optimizer's own"


def note(study: Study, summary: Summary, where: Places, optimizer: str, *, report: bool) -> str:
    """All that is said of an optimizer's study.

    Args:
        study: the run's study.
        summary: what was found.
        where: the dashboard's studies.
        optimizer: the optimizer.
        report: whether there is a `report.html` to link to.
    """
    number = where.trials[optimizer]
    own = summary.optimizers[optimizer]
    return sections(
        f"# {plain(where.names[number])}",
        _what(study, summary, optimizer),
        _links(study, where, optimizer, report=report),
        *_claim(summary),
        *_titled("Estimates", _metrics(summary, own.metrics)),
        *_titled("Best after n trials", _tuning(summary, optimizer)),
        *_titled("Fixed settings", _fixed(summary, optimizer)),
        *_titled("Own best settings", _own_best(own)),
        *_titled("What matters", _what_matters(own)),
        "## Hyperparameters",
        hyperparameters(study, optimizer),
        "## Trials",
        _trials(own, where, optimizer),
        *_titled("What to know besides", bullets(map(plain, summary.notes))),
    )


def map_note(study: Study, where: Places, optimizer: str, *, report: bool) -> str:
    """What is said of the study of an optimizer's map."""
    trials = link("its trials", study_path(where.trials[optimizer]))
    return sections(
        f"# {plain(where.names[where.maps[optimizer]])}",
        f"The map of {plain(optimizer)}: settings drawn evenly from the search space, every fourth "
        "with a second seed. A trial's value is its test accuracy, chance where it diverged and "
        "never below chance. What *Compare*, importances and contours show of these trials is of "
        f"the search space; that of {trials} mixes all phases.",
        _links(study, where, optimizer, report=report),
        "## Hyperparameters",
        hyperparameters(study, optimizer),
    )


def facts(summary: Summary, optimizer: str) -> dict[str, str]:
    """The table on the study's page: a few words and numbers."""
    metric = summary.design.metric
    shown = {
        f"{text.label(row.metric, metric)}, {text.LENSES[row.lens].lower()} ({unit.name})": (
            text.with_interval(row.value, row.low, row.high, unit)
        )
        for row in summary.optimizers[optimizer].metrics
        if row.metric in FACTS and row.value is not None
        for unit in [_unit_of(summary, row.metric)]
    }
    return {
        "verdict": summary.claim.verdict,
        "claim": summary.claim.text,
        "look": look_words(summary.design),
        **shown,
    }


def hyperparameters(study: Study, optimizer: str) -> str:
    """Ranges, scales and units."""
    rows = [
        (
            plain(name),
            f"{text.short(box.low)} to {text.short(box.high)}",
            "logarithmic" if box.log else "linear",
            text.short(box.default),
            plain(_unit(optimizer, name)),
        )
        for name, box in study.search_spaces[optimizer].ranges.items()
    ]
    if not rows:
        return "None."
    return table(("hyperparameter", "range", "scale", "default", "unit"), rows)


def _unit(optimizer: str, name: str) -> str:
    if name == "rho" and optimizer in LENGTH:
        return _RHO_LENGTH
    return UNITS.get(name, _OWN_UNIT)


def _what(study: Study, summary: Summary, optimizer: str) -> str:
    roles = {study.candidate: "candidate", study.baseline: "baseline", study.control: "control"}
    does = study.search_spaces[optimizer].description or "an optimizer of the study's own"
    role = f", the study's {roles[optimizer]}" if optimizer in roles else ""
    count = text.count(summary.counts.trainings)
    return (
        f"**{plain(optimizer)}**{role}: {plain(text.sentence(does))} "
        f"The numbers below rest on {count} trials of all optimizers."
    )


def _links(study: Study, where: Places, optimizer: str, *, report: bool) -> str:
    items = [link("The report", REPORT_PATH)] if report else []
    rival = study.candidate if optimizer == study.baseline else study.baseline
    if rival is not None and rival != optimizer and {optimizer, rival} <= where.maps.keys():
        pair = (where.maps[optimizer], where.maps[rival])
        items.append(link(f"Compare with {rival} over the search space", compare_path(pair)))
    return bullets(items)


def _claim(summary: Summary) -> Iterable[str]:
    """The verdict, its reasons, how far the study is, and every comparison."""
    claim = summary.claim
    return (
        f"## {plain(text.VERDICTS[claim.verdict])}",
        plain(claim.text),
        bullets(map(plain, (*claim.because, text.sentence(look_words(summary.design))))),
        *_titled("Comparisons", _comparisons(summary)),
        *_titled("After n trials", _tuning(summary, None)),
    )


def _comparisons(summary: Summary) -> str:
    rows = []
    kept = _without_repeats(summary.comparisons)
    for row in (*kept, *summary.gap):
        unit = _unit_of(summary, row.metric)
        rows.append(
            (
                text.LENSES[row.lens],
                plain(f"{row.candidate} − {row.baseline}"),
                plain(text.label(row.metric, summary.design.metric)),
                text.with_interval(row.estimate, row.low, row.high, unit, sign=True),
                unit.of_difference,
                text.ends(row.verdict_low, row.verdict_high, unit, sign=True),
                plain(": ".join(said for said in (_words(row.verdict), row.reason) if said)),
            )
        )
    head = ("lens", "pair", "metric", _interval(summary), "unit", "verdict's interval", "verdict")
    return table(head, rows) if rows else ""


def _metrics(summary: Summary, metrics: Sequence[Metric]) -> str:
    rows = []
    for row in _without_repeats(metrics):
        unit = _unit_of(summary, row.metric)
        rows.append(
            (
                text.LENSES[row.lens],
                plain(text.label(row.metric, summary.design.metric)),
                text.with_interval(row.value, row.low, row.high, unit),
                unit.name,
                text.count(row.replicates),
                text.count(row.trainings),
                plain(row.reason or ""),
            )
        )
    head = ("lens", "metric", _interval(summary), "unit", "replicates", "trainings", "remark")
    return table(head, rows) if rows else ""


def _without_repeats(rows: Sequence[Row]) -> list[Row]:
    """Without a lens's score by its second name."""
    of = {lens: [row.metric for row in rows if row.lens == lens] for lens in text.LENSES}
    return [row for row in rows if row.metric in text.without_repeats(of[row.lens])]


def _tuning(summary: Summary, optimizer: str | None) -> str:
    """Best score after n trials; of None, the difference."""
    unit, sign = text.score_unit(summary.design.metric), optimizer is None
    rows = [
        (text.count(row.trials), text.with_interval(row.value, row.low, row.high, unit, sign=sign))
        for row in summary.tuning
        if row.optimizer == optimizer
    ]
    said = "best score" if optimizer else f"{summary.candidate} − {summary.baseline}"
    return table(("n", f"{plain(said)}, {_interval(summary)}"), rows) if rows else ""


def _fixed(summary: Summary, optimizer: str) -> str:
    points = [
        sections(
            plain(text.setting(point.hyperparameters) or text.DASH),
            _metrics(summary, point.metrics),
        )
        for point in summary.fixed
        if point.optimizer == optimizer
    ]
    published = [
        (
            plain(row.source),
            row.metric,
            text.short(row.published),
            text.with_interval(row.ours, row.low, row.high, text.PLAIN),
        )
        for row in summary.published
        if row.optimizer == optimizer
    ]
    if published:
        points.append(table(("source", "metric", "published", "ours"), published))
    return "\n".join(points)


def _own_best(own: OptimizerRecord) -> str:
    best = own.own_best
    if best is None or not best.hyperparameters:
        return ""
    rows = [
        (plain(name), text.short(value), " to ".join(map(text.short, best.spread.get(name, ()))))
        for name, value in best.hyperparameters.items()
    ]
    helps = {
        True: "They beat the base optimizer alone.",
        False: "They are no better than the base optimizer alone.",
        None: "",
    }[best.helps]
    return sections(
        f"Chosen in each of {text.counted(best.replicates, 'replicate')} by the validation score; "
        f"Optuna's best trial is one lucky seed. {helps}",
        table(("hyperparameter", "median", "quartiles"), rows),
    )


def _what_matters(own: OptimizerRecord) -> str:
    items = []
    if (quality := own.surface) is not None:
        items.append(
            f"The fitted surface: R² {text.short(quality.r2)}, share of noise "
            f"{text.number(quality.noise_share, text.SHARE)} %. {quality.reason or ''}"
        )
    if (number := own.effective_number) is not None:
        found = text.with_interval(number.value, number.low, number.high, text.WHOLE)
        items.append(f"Effective number of hyperparameters: {found}. {number.reason or ''}")
    rows = [
        (
            plain(text.METHODS[row.method]),
            " × ".join(map(plain, row.hyperparameters)),
            text.with_interval(row.value, row.low, row.high, text.SHARE),
            plain(row.reason or ""),
        )
        for row in own.importance
    ]
    parts = [bullets(map(plain, items))]
    if rows:
        parts.append(table(("method", "hyperparameters", "share (%)", "remark"), rows))
        parts.append(plain(text.WHY_METHODS_DIFFER))
    return "\n\n".join(filter(None, parts))


def _trials(own: OptimizerRecord, where: Places, optimizer: str) -> str:
    listed = link("the list", trials_path(where.trials[optimizer]))
    return (
        f"{text.count(own.trainings)}; {text.count(own.diverged)} diverged, "
        f"{text.count(own.collapsed)} collapsed (diverged, or no better than trivial), "
        f"{text.count(own.failed)} raised an error. Of the draws of off, radius and misset, "
        f"{text.number(own.clipped_share, text.SHARE)} % stand at a bound of the rule. "
        "A diverged trial counts, with chance as its accuracy; the dashboard's figures show it in "
        f"grey, as infeasible. In {listed} each one's attribute *result* says how it ended."
    )


def _words(verdict: str | None) -> str | None:
    return verdict and verdict.replace("_", " ")


def _titled(title: str, content: str) -> tuple[str, ...]:
    return (f"## {title}", content) if content else ()


def _interval(summary: Summary) -> str:
    return f"estimate ({100 * summary.design.confidence:g} % interval)"


def _unit_of(summary: Summary, metric: str) -> text.Unit:
    return text.unit_of(metric, summary.design.metric)
