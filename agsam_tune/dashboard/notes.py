"""The notes of the dashboard's studies: what each is, the verdict, the estimates, where to look.

In: the report's `Material`. Out: Markdown and short facts. The numbers are those of the report.
Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agsam_tune.dashboard.markdown import bullets, link, plain, sections, table
from agsam_tune.dashboard.places import (
    REPORT_PATH,
    Places,
    compare_path,
    study_path,
    trials_path,
)
from agsam_tune.report import frames, page, tables, text
from agsam_tune.report.fixed import fixed_entries
from agsam_tune.report.glossary import OPTIMIZERS
from agsam_tune.report.material import Material
from agsam_tune.report.sections import lens_titles
from agsam_tune.report.trial_links import behind

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
_RHO_LENGTH = "the length ‖Δw‖ of the ascent step, as the weights"
_OWN_UNIT = "the optimizer's own"


def note(material: Material, where: Places, optimizer: str, *, report: bool) -> str:
    """All that is said of an optimizer's study.

    Args:
        material: the run.
        where: the dashboard's studies.
        optimizer: the optimizer.
        report: whether there is a `report.html` to link to.
    """
    number = where.trials[optimizer]
    return sections(
        f"# {plain(where.names[number])}",
        _what(material, optimizer),
        _links(material, where, optimizer, report=report),
        *_verdict(material),
        *_estimates(material, optimizer),
        *_fixed(material, optimizer),
        *_own_best(material, where, optimizer),
        "## Hyperparameters",
        hyperparameters(material, optimizer),
        "## Trials",
        _trials(material, where, optimizer),
    )


def settings_note(material: Material, where: Places, optimizer: str, *, report: bool) -> str:
    """What is said of the study that has one trial a setting."""
    number = where.settings[optimizer]
    trials = link("its trials", study_path(where.trials[optimizer]))
    return sections(
        f"# {plain(where.names[number])}",
        f"The map of {plain(optimizer)}: one Optuna trial a setting, drawn evenly from the search "
        "space. Its value is what the report's means and distributions are made of: the mean test "
        "accuracy over seeds, diverged ones at chance, and never below chance. So the distribution "
        "that *Compare* shows of two of these studies is the report's, read from below; grey "
        "points are settings where a seed diverged. A setting is here when all its seeds are. "
        f"Everything else is at {trials}.",
        _links(material, where, optimizer, report=report),
        "## Hyperparameters",
        hyperparameters(material, optimizer),
    )


def facts(material: Material, optimizer: str) -> dict[str, str]:
    """The table on the study's page: a few words and numbers."""
    metrics = _metrics(material, optimizer)
    best = ((metrics.get("own_best") or {}).get("best_accuracy")) or {}
    regret = ((metrics.get("rho") or {}).get(tables.HEADLINE)) or {}
    verdict = page.verdict(material, behind(material))
    found = {
        "verdict": verdict.word,
        "claim": verdict.text,
        "own best setting": text.setting(_best(material, optimizer)),
        "accuracy there (%)": _number(best, "best_accuracy"),
        "regret sensitivity (points)": _number(regret, tables.HEADLINE),
    }
    return {name: value for name, value in found.items() if value}


def hyperparameters(material: Material, optimizer: str) -> str:
    """Ranges, scales and units."""
    ranges = material.study.search_spaces[optimizer].ranges
    rows = [
        (
            plain(name),
            f"{text.short(box.low)} to {text.short(box.high)}",
            "logarithmic" if box.log else "linear",
            text.short(box.default),
            plain(_unit(optimizer, name)),
        )
        for name, box in ranges.items()
    ]
    if not rows:
        return "None."
    return table(("hyperparameter", "range", "scale", "default", "unit"), rows)


def _unit(optimizer: str, name: str) -> str:
    if name == "rho" and optimizer in LENGTH:
        return _RHO_LENGTH
    return UNITS.get(name, _OWN_UNIT)


def _what(material: Material, optimizer: str) -> str:
    study = material.study
    roles = {study.candidate: "candidate", study.baseline: "baseline", study.control: "control"}
    does = OPTIMIZERS.get(optimizer, "an optimizer of the study's own")
    role = f", the study's {roles[optimizer]}" if optimizer in roles else ""
    return (
        f"**{plain(optimizer)}**{role}: {plain(does)}. {plain(page.done(material))} "
        f"The numbers below rest on {text.count(len(material.trials))} trials of all optimizers."
    )


def _links(material: Material, where: Places, optimizer: str, *, report: bool) -> str:
    items = []
    if report:
        items.append(
            f"{link('The report', REPORT_PATH)}: "
            + ", ".join(
                link(words, f"{REPORT_PATH}#{place}")
                for words, place in (("estimates", "estimates"), ("comparisons", "comparisons"))
            )
        )
    rival = _rival(material, optimizer)
    if rival is not None and {optimizer, rival} <= where.settings.keys():
        pair = (where.settings[optimizer], where.settings[rival])
        items.append(
            link(f"Compare with {rival} over the search space", compare_path(pair))
            + ": settings drawn alike, each at its mean over seeds"
        )
    return bullets(items)


def _rival(material: Material, optimizer: str) -> str | None:
    study = material.study
    return study.candidate if optimizer == study.baseline else study.baseline


def _verdict(material: Material) -> tuple[str, ...]:
    """The report's answer, with its reasons."""
    found = page.verdict(material, behind(material))
    return (
        f"## {plain(found.word)}",
        plain(found.text),
        bullets(plain(reason.words) for reason in found.because),
        _differences(material),
    )


def _differences(material: Material) -> str:
    """Candidate − baseline in the metric of the claim, by lens."""
    study, one = material.study, text.metric(tables.HEADLINE)
    titles = lens_titles(material)
    rows = [
        (
            plain(titles.get(str(entry["lens"]), str(entry["lens"]))),
            text.number(entry.get("difference"), one, sign=True),
            text.interval(entry.get("low"), entry.get("high"), one, sign=True),
            text.p_value(entry.get("p_value")),
            plain(str(entry.get("verdict") or text.DASH)),
        )
        for entry in material.summary.get("comparisons") or ()
        if entry.get("metric") == tables.HEADLINE
        and entry.get("candidate") == study.candidate
        and entry.get("baseline") == study.baseline
    ]
    if not rows:
        return ""
    pair = f"{study.candidate} − {study.baseline}, {one.label.lower()} (points)"
    head = ("lens", plain(pair), _interval_head(material), "p (Holm)", "better")
    return table(head, rows)


def _estimates(material: Material, optimizer: str) -> tuple[str, ...]:
    """The optimizer's column of the report's table, with the reasons of what is missing."""
    if material.fixed_only:
        return ()
    found = tables.estimates(
        material.summary, (optimizer,), bare=material.bare, titles=lens_titles(material)
    )
    rows: list[tuple[str, ...]] = []
    for group in found.groups:
        rows.append((f"**{plain(group.title)}**", "", "", ""))
        for row in group.rows:
            (cell,) = row.cells
            rows.append((plain(row.label), cell.value, cell.interval, plain(row.unit)))
    missing = [f"{metrics} ({lens}): {why}" for lens, metrics, why in found.absent]
    head = ("metric", "estimate", _interval_head(material), "unit")
    return (
        "## Estimates",
        table(head, rows) if rows else "None yet.",
        bullets(map(plain, [*found.notes, *missing])),
    )


def _fixed(material: Material, optimizer: str) -> tuple[str, ...]:
    """The optimizer's points of a fixed phase."""
    accuracy, loss = text.metric("accuracy"), text.metric("loss")
    rows = []
    for name, entry in fixed_entries(material):
        leaves = (entry.get("accuracy") or {}, entry.get("loss") or {})
        if name == optimizer:
            rows.append(
                (
                    plain(text.setting(entry.get("hyperparameters")) or text.DASH),
                    text.number(leaves[0].get("value"), accuracy),
                    text.interval(leaves[0].get("low"), leaves[0].get("high"), accuracy),
                    text.number(leaves[1].get("value"), loss),
                )
            )
    if not rows:
        return ()
    head = ("setting", "test accuracy (%)", _interval_head(material), "test loss")
    return "## Fixed settings", table(head, rows)


def _interval_head(material: Material) -> str:
    return f"{100 * material.study.analysis.confidence:g} % interval"


def _own_best(material: Material, where: Places, optimizer: str) -> tuple[str, ...]:
    setting = _best(material, optimizer)
    entry = _entry(material, optimizer).get("best_point") or {}
    if not text.setting(setting):
        return ()
    rows = material.trials
    own = rows[
        (rows["optimizer"] == optimizer)
        & (rows["phase"] == entry.get("phase"))
        & (rows["point"] == entry.get("point"))
    ]
    numbers = [int(number) for number in own["trial_number"]]
    seen = link("the trials there", trials_path(where.trials[optimizer], numbers))
    words = (
        f"{plain(text.setting(setting))}: chosen by its mean over half of the seeds of map and "
        f"tune, and measured on others. See {seen}. Optuna's best trial is one lucky seed."
    )
    return "## Own best setting", words


def _trials(material: Material, where: Places, optimizer: str) -> str:
    rows = material.trials[material.trials["optimizer"] == optimizer]
    ran = frames.complete(rows)
    diverged, failed = int(ran["diverged"].sum()), int(frames.failed(ran, material.chance).sum())
    counts = rows.groupby("phase", sort=False, observed=True).size()
    phases = ", ".join(f"{plain(str(phase))} {text.count(int(n))}" for phase, n in counts.items())
    return (
        f"{text.count(len(rows))} ({phases}); {text.count(diverged)} diverged, "
        f"{text.count(failed)} diverged or stayed at chance. A diverged trial counts, with chance "
        "as its accuracy; the dashboard's figures show it in grey, as infeasible. "
        f"In {link('the list', trials_path(where.trials[optimizer]))} each one's attribute "
        "*result* says how it ended."
    )


def _best(material: Material, optimizer: str) -> Mapping[str, Any]:
    point = _entry(material, optimizer).get("best_point") or {}
    inner = point.get("hyperparameters", point)
    return {k: v for k, v in inner.items() if k not in ("point", "seed")}


def _metrics(material: Material, optimizer: str) -> Mapping[str, Any]:
    return _entry(material, optimizer).get("metrics") or {}


def _entry(material: Material, optimizer: str) -> Mapping[str, Any]:
    return (material.summary.get("optimizers") or {}).get(optimizer) or {}


def _number(leaf: Mapping[str, Any], key: str) -> str:
    one = text.metric(key)
    if not text.is_number(leaf.get("value")):
        return ""
    ends = text.interval(leaf.get("low"), leaf.get("high"), one)
    return text.number(leaf["value"], one) + (f" ({ends})" if ends else "")
