"""The head of the page: what was asked, what was done, what was found, and the key facts.

In: the `Material`. Out: plain records that the template shows, which escapes every text. Must not
import torch, Ray, Optuna or matplotlib.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from agsam_tune.report import frames, text
from agsam_tune.report.glossary import OPTIMIZERS
from agsam_tune.report.material import Material
from agsam_tune.report.tables import Linked
from agsam_tune.report.trial_links import ALL_TRIALS, Behind, selection
from agsam_tune.study import analysis_changes_text
from agsam_tune.study import planned_trials as study_trials

_MOST_REASONS, _LONGEST_REASON = 5, 300

VERDICT_WORDS: Mapping[str, str] = {
    "supported": "Supported",
    "contradicted": "Contradicted",
    "mixed": "Mixed",
    "undecided": "Undecided",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One item of the line of key facts; `trials` selects those behind its value."""

    label: str
    value: str
    hint: str = ""
    trials: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One sentence of the verdict's reasons; `trials` selects those behind it."""

    words: str
    trials: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer."""

    text: str
    key: str
    word: str
    because: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    """A table of texts, some of them with the trials behind them, under a caption."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | Linked, ...], ...]


def question(material: Material) -> str:
    """What the study asks, for somebody who has not seen it."""
    study = material.study
    if material.fixed_only:
        return "How accurate is each optimizer at the settings that this study fixes?"
    if study.candidate and study.baseline:
        return (
            f"Does {study.candidate} lose less accuracy than {study.baseline} when its "
            "hyperparameters are badly chosen?"
        )
    return "How much accuracy does each optimizer lose when its hyperparameters are badly chosen?"


def done(material: Material) -> str:
    """What was done about it, in one sentence."""
    phases = {str(name) for name in material.trials["phase"].unique()}
    study, n = material.study, len(material.optimizers)
    points = material.trials.loc[material.trials["phase"] == "map", "point"].nunique()
    where = [
        words
        for phase, words in (
            ("map", f"at {text.count(points)} settings from all over the search space"),
            ("tune", "in a search for each one's best setting"),
            ("misset", "around that best, off by factors up to 10"),
            ("fixed", "at fixed settings"),
        )
        if phase in phases
    ]
    places = ", " + _listed(where) if where else ""
    names = "1 optimizer" if n == 1 else f"{n} optimizers"
    return f"{text.count(len(material.trials))} trainings on {study.task} with {names}{places}."


def cast(material: Material) -> tuple[tuple[str, str, str], ...]:
    """(optimizer, role, what it does) of those that have a role, or that sam is the basis of."""
    study = material.study
    roles = {study.control: "control", study.baseline: "baseline", study.candidate: "candidate"}
    return tuple(
        (name, roles[name], OPTIMIZERS.get(name, ""))
        for name in (study.baseline, study.candidate, study.control)
        if name is not None
    )


def verdict(material: Material, behind: Behind) -> Verdict:
    """The claim, or what stands in its place."""
    if material.fixed_only:
        return _fixed_verdict(material, behind)
    if material.study.candidate is None or material.study.baseline is None:
        return _no_claim(material, behind)
    claim = material.summary.get("claim") or {}
    because = claim.get("because") or ()
    if isinstance(because, str):
        because = (because,)
    key = str(claim.get("verdict") or "")
    words = str(claim.get("text") or "There is no verdict on the claim.")
    return Verdict(
        text=words,
        key=key if key in VERDICT_WORDS else "none",
        word=VERDICT_WORDS.get(key, key or "No verdict"),
        because=tuple(
            Reason(words=str(reason), trials=behind.reason(str(reason)))
            for reason in because
            if reason != words
        ),
    )


def _no_claim(material: Material, behind: Behind) -> Verdict:
    """Nobody is claimed to be more robust: what each optimizer loses by itself."""
    best, regret = text.metric("best_accuracy"), text.metric("regret_sensitivity")
    reasons = []
    for name in material.optimizers:
        metrics = ((material.summary.get("optimizers") or {}).get(name) or {}).get("metrics") or {}
        top: Mapping[str, Any] = (metrics.get("own_best") or {}).get(best.key) or {}
        loss: Mapping[str, Any] = (metrics.get("rho") or {}).get(regret.key) or {}
        if not (text.is_number(top.get("value")) and text.is_number(loss.get("value"))):
            continue
        ends = text.interval(loss.get("low"), loss.get("high"), regret)
        loses = f"{text.number(loss['value'], regret)} points" + (f" ({ends})" if ends else "")
        reasons.append(
            Reason(
                words=f"{name} reaches {text.number(top['value'], best)} % at its own best setting "
                f"and loses {loses} at a random one.",
                trials=behind.estimate("rho", regret.key, name),
            )
        )
    claim = material.summary.get("claim") or {}
    return Verdict(
        text=str(claim.get("text") or "There is no verdict on the claim."),
        key="none",
        word="No claim",
        because=tuple(reasons),
    )


def _fixed_verdict(material: Material, behind: Behind) -> Verdict:
    """What a study of fixed points says: the difference at those points, and nothing more."""
    study = material.study
    found = [
        entry
        for entry in material.summary.get("comparisons") or ()
        if entry.get("lens") == "fixed"
        and entry.get("metric") == "accuracy"
        and entry.get("candidate") == study.candidate
        and entry.get("baseline") == study.baseline
        and text.is_number(entry.get("difference"))
    ]
    limits = "A study of fixed points measures these settings; it cannot judge robustness."
    if len(found) != 1:
        return Verdict(text=limits, key="none", word="Fixed points only", because=())
    entry, one = found[0], text.metric("accuracy")
    difference = float(entry["difference"])
    amount = text.points(abs(difference))
    words = f"{amount} points {'higher' if difference >= 0 else 'lower'} than"
    margin = text.points(study.analysis.margin)
    conclusion = {
        "equivalent": f"equivalent within the margin of {margin} points",
        "undecided": "undecided",
    }.get(str(entry.get("verdict")), "a difference")
    detail = text.interval(entry.get("low"), entry.get("high"), one, sign=True)
    p = text.p_value(entry.get("p_value"))
    p = p if p.startswith("<") else f"= {p}"
    reason = f"Interval of the difference {detail} points, p {p}: {conclusion}."
    trials = behind.comparison(entry)
    return Verdict(
        text=f"At the fixed settings {study.candidate}'s accuracy is {words} {study.baseline}'s.",
        key="none",
        word="Fixed points only",
        because=(Reason(words=reason, trials=trials), Reason(words=limits)),
    )


def changed(material: Material) -> str:
    """What the analysis takes otherwise than the run's study says; "" where nothing."""
    changes = material.summary.get("changed_settings") or ()
    if not changes:
        return ""
    return f"Analysed with other settings than the run's: {analysis_changes_text(changes)}."


def facts(material: Material) -> tuple[Fact, ...]:
    """Trials, diverged, failed, raised, the task and its data, the test set's error, the date."""
    trials, data = material.trials, material.manifest.get("data") or {}
    rows = frames.complete(trials)
    bad: Any = material.summary.get("n_failed")
    if not text.is_number(bad):
        bad = int(frames.failed(rows, material.chance).sum()) if len(rows) else 0
    diverged = int(rows["diverged"].astype(bool).sum()) if len(rows) else 0
    raised = int((trials["state"] != "COMPLETE").sum()) if len(trials) else 0
    sizes = [
        f"{text.count(data[key])} {word}"
        for key, word in (("train", "to train"), ("validation", "to choose"), ("test", "to report"))
        if data.get(key)
    ]
    items = [
        Fact(label="trials", value=text.count(len(trials)), trials=ALL_TRIALS),
        _kind("diverged", diverged, len(rows), "kept, at chance"),
        _kind("failed", int(bad), len(rows), "diverged or at chance"),
    ]
    if raised:
        behind = selection({"state": "FAIL"})
        hint = "errors, left out"
        items.append(Fact(label="raised", value=text.count(raised), hint=hint, trials=behind))
    items.append(Fact(label="task", value=material.study.task, hint=" · ".join(sizes)))
    error = material.summary.get("test_error")
    if isinstance(error, Mapping):
        error = error.get("value")
    if text.is_number(error):
        items.append(
            Fact(
                label="test set's own error",
                value=f"± {text.points(error)} points",
                hint="binomial standard error",
            )
        )
    if date := _date(material.manifest.get("finished")):
        items.append(Fact(label="finished", value=date, hint="UTC"))
    return tuple(items)


def notices(material: Material) -> tuple[str, ...]:
    """What is missing from the run, one sentence each; nothing is left out silently."""
    found = [str(note) for note in material.imported.get("notes", ())]
    planned = {key: n for key, n in planned_trials(material).items() if n is not None}
    done = trials_by_phase(material)
    short = {key: n - done.get(key, 0) for key, n in planned.items() if n > done.get(key, 0)}
    if short:
        phases = dict.fromkeys(phase for _, phase in short)
        found.append(
            f"Partial study: {text.count(sum(short.values()))} of "
            f"{text.count(sum(planned.values()))} planned trials are missing "
            f"({', '.join(phases)}). Estimates rest on what there is."
        )
    raised = material.trials[material.trials["state"] != "COMPLETE"]
    if len(raised):
        names = ", ".join(sorted(set(raised["optimizer"])))
        found.append(
            f"{text.count(len(raised))} trials raised an error and are in no estimate ({names})."
        )
        found.extend(_reasons(raised))
    rows = frames.complete(material.trials)
    for name, own in rows.groupby("optimizer", sort=True, observed=True):
        if own["diverged"].astype(bool).all():
            found.append(f"Every trial of {name} diverged.")
    if not material.fixed_only:
        if material.study.phase("misset") is None:
            found.append("The study has no misset phase: there is no own-best lens.")
        if material.study.candidate is not None and material.study.control is None:
            found.append("The study has no control: the gap is not split into its two parts.")
    if material.manifest.get("foreign_code"):
        found.append("The task or an optimizer comes from code that is not part of agsam-tune.")
    return tuple(found)


def _reasons(raised: pd.DataFrame) -> list[str]:
    """What failed trials raised: each message once, with how often, the most frequent first."""
    if "error" not in raised:  # a table from before there was the column
        return []
    lines = [" ".join(str(error).split()) for error in raised["error"]]
    counts = Counter(line for line in lines if line).most_common()
    found = [f"{text.count(n)} × {_quoted(line)}" for line, n in counts[:_MOST_REASONS]]
    if rest := counts[_MOST_REASONS:]:
        n = sum(n for _, n in rest)
        words = "another message" if len(rest) == 1 else f"{text.count(len(rest))} other messages"
        found.append(f"{text.count(n)} × {words}, in the column error of the trials.")
    return found


def _quoted(line: str) -> str:
    """What somebody's code said, without control characters, and not longer than a few lines."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    return shown if len(shown) <= _LONGEST_REASON else f"{shown[:_LONGEST_REASON]}…"


def gap_missing(material: Material) -> str:
    """Why the gap is not split, from the summary's own reasons; empty where there can be none."""
    if material.fixed_only or material.study.candidate is None:
        return ""
    gap = material.summary.get("gap") or {}
    reasons = [
        str(leaf["reason"])
        for leaves in gap.values()
        if isinstance(leaves, Mapping)
        for leaf in leaves.values()
        if isinstance(leaf, Mapping) and leaf.get("reason")
    ]
    if not reasons and isinstance(gap.get("reason"), str):
        reasons = [gap["reason"]]
    return "Not estimated: " + (reasons[0] if reasons else "the summary has no gap.")


def trials_by_phase(material: Material) -> dict[tuple[str, str], int]:
    """How many trials there are by (optimizer, phase)."""
    sizes = material.trials.groupby(["optimizer", "phase"], observed=True).size()
    return {(str(name), str(phase)): int(n) for (name, phase), n in sizes.items()}


def planned_trials(material: Material) -> dict[tuple[str, str], int | None]:
    """How many trials the study asks for by (optimizer, phase); None where it cannot be said."""
    planned = study_trials(material.study)
    return planned if material.planned else dict.fromkeys(planned)


def _kind(flag: str, n: int, of: int, hint: str) -> Fact:
    """How many finished trials have a flag, with those trials behind it if there are any."""
    trials = selection({flag: "yes", "state": "COMPLETE"}) if n else ""
    return Fact(label=flag, value=_share(n, of), hint=hint, trials=trials)


def _share(part: int, whole: int) -> str:
    if not whole:
        return text.count(part)
    return f"{text.count(part)} ({text.fixed(100 * part / whole, 1)} %)"


def _date(stamp: Any) -> str:
    try:
        return datetime.fromisoformat(str(stamp)).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return ""


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
