"""The words and tables of the page: everything but the figures and the markup.

In: the `Material`. Out: plain records that the template shows, which escapes every text. Must not
import torch, Ray, Optuna or matplotlib.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agsam_tune.report import frames, text
from agsam_tune.report.material import Material
from agsam_tune.study import Phase, misset_layout

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("point", "One setting of the hyperparameters (rho, alpha, gamma, …)."),
    ("trial", "One training run: an optimizer at a point with a seed."),
    (
        "seed",
        "Changes initial weights and batches only, and is shared: trials with the same seed start "
        "from the same weights and see the same batches, whatever the optimizer.",
    ),
    (
        "lens",
        "What two optimizers are compared along: raw rho, each one's own best setting, or the "
        "measured radius.",
    ),
    (
        "radius",
        "The measured length ‖Δw‖ of the ascent step, averaged over training. GSAM's step has "
        "length rho, Adaptive-GSAM's rho·‖(|w|+gamma)∘ĝ‖: the same rho is not the same step.",
    ),
    ("chance", "The largest class's share of the split: what guessing reaches."),
    (
        "diverged",
        "A trial whose weights or loss became non-finite. It stays in every average, with chance "
        "as its accuracy.",
    ),
    ("failed", "Diverged, or at most 1 point above chance. It counts in every average."),
    ("raised", "A trial that broke off with an error: it has no result and is in no estimate."),
    (
        "own best",
        "An optimizer's setting with the highest mean validation accuracy over the even seeds of "
        "map and tune. Its accuracy is measured on seeds that did not choose it: the fresh seeds "
        "of misset, else the odd ones.",
    ),
    (
        "regret",
        "Accuracy at the own best minus accuracy at a setting. Regret sensitivity is its mean over "
        "mis-set settings: what somebody loses who does not tune.",
    ),
    ("points", "Percentage points of accuracy: 0.50 points is a difference of 0.005."),
    (
        "intervals",
        "t-intervals: over the map's independent replicates together with the seeds for averages "
        "over the search space; over fresh seeds (and the draws, with all off together) around the "
        "own best; by a jackknife over replicates at the same radius; by the ends of the losses' "
        "t-intervals for tolerance in rho. A difference between optimizers that rests on the own "
        "best also includes how much the choice of the best setting varies, so it is wider than "
        "the two optimizers' own intervals suggest. All are conditional on the data and the split; "
        "the test set's own error is given beside the verdict.",
    ),
    (
        "verdicts",
        "“Equivalent” needs an interval inside ± the study's margin; “undecided” means that the "
        "interval allows more than one answer. p-values are Holm-corrected within a lens.",
    ),
)

VERDICT_WORDS: Mapping[str, str] = {
    "supported": "Supported",
    "contradicted": "Contradicted",
    "mixed": "Mixed",
    "undecided": "Undecided",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One item of the line of key facts."""

    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The first screen."""

    text: str
    key: str
    word: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    """A table of texts, with a caption."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def verdict(material: Material) -> Verdict:
    """The claim, or what stands in its place."""
    if material.fixed_only:
        return _fixed_verdict(material)
    claim = material.summary.get("claim") or {}
    because = claim.get("because") or ()
    if isinstance(because, str):
        because = (because,)
    key = str(claim.get("verdict") or "")
    return Verdict(
        text=str(claim.get("text") or "There is no verdict on the claim."),
        key=key if key in VERDICT_WORDS else "none",
        word=VERDICT_WORDS.get(key, key or "No verdict"),
        because=tuple(str(reason) for reason in because),
    )


def _fixed_verdict(material: Material) -> Verdict:
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
    return Verdict(
        text=f"At the fixed settings {study.candidate}'s accuracy is {words} {study.baseline}'s.",
        key="none",
        word="Fixed points only",
        because=(reason, limits),
    )


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
        Fact(label="trials", value=text.count(len(trials))),
        Fact(label="diverged", value=_share(diverged, len(rows)), hint="kept, at chance"),
        Fact(label="failed", value=_share(int(bad), len(rows)), hint="diverged or at chance"),
        Fact(label="task", value=material.study.task, hint=" · ".join(sizes)),
    ]
    if raised:
        items.insert(3, Fact(label="raised", value=text.count(raised), hint="errors, left out"))
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
    found = []
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
    rows = frames.complete(material.trials)
    for name, own in rows.groupby("optimizer", sort=True, observed=True):
        if own["diverged"].astype(bool).all():
            found.append(f"Every trial of {name} diverged.")
    if not material.fixed_only:
        if material.study.phase("misset") is None:
            found.append("The study has no misset phase: there is no own-best lens.")
        if material.study.control is None:
            found.append("The study has no control: the gap is not split into its two parts.")
    if material.manifest.get("foreign_code"):
        found.append("The task or an optimizer comes from code that is not part of agsam-tune.")
    return tuple(found)


def gap_missing(material: Material) -> str:
    """Why the gap is not split, from the summary's own reasons; empty for a fixed study."""
    if material.fixed_only:
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
    planned: dict[tuple[str, str], int | None] = {}
    for name in material.study.optimizers:
        for phase in material.study.phases:
            if (n := _planned(material, name, phase)) != 0:
                planned[name, phase.name] = n
    return planned


def _planned(material: Material, name: str, phase: Phase) -> int | None:
    own = material.study.search_spaces[name].names
    if phase.name == "fixed":
        return phase.seeds * sum(point.optimizer == name for point in phase.fixed)
    if not own:
        return phase.seeds if phase.name == "map" else 0
    if phase.name == "misset":
        kinds = {"best", "all", *own}
        layout = misset_layout(material.study.hyperparameters)
        return phase.seeds * sum(point.kind in kinds for point in layout)
    return None if phase.points is None else phase.points * phase.seeds


def settings_table(material: Material) -> Simple:
    """The training recipe, the data and the analysis's settings."""
    study = material.study
    training = study.training.model_dump()
    rows = [("task", study.task)]
    rows += [(f"task: {key}", text.short(value)) for key, value in study.task_options.items()]
    data = material.manifest.get("data") or {}
    labels = ("train", "validation", "test", "chance", "validation_chance", "parameters", "digest")
    rows += [(f"data: {key}", text.short(data[key])) for key in labels if data.get(key) is not None]
    foreign = ("betas", "eps") if training["base_optimizer"] == "sgd" else ("momentum", "nesterov")
    rows += [
        (f"training: {key}", text.short(value))
        for key, value in training.items()
        if key not in foreign
    ]
    rows += [
        ("analysis: margin", f"{text.points(study.analysis.margin)} points"),
        (
            "analysis: epsilons",
            _joined(f"{text.points(e)} points" for e in study.analysis.epsilons),
        ),
        ("analysis: confidence", f"{100 * study.analysis.confidence:g} %"),
        ("candidate", study.candidate or text.DASH),
        ("baseline", study.baseline or text.DASH),
        ("control", study.control or text.DASH),
        ("study seed", str(study.seed)),
    ]
    return Simple(caption="Settings", head=("setting", "value"), rows=tuple(rows))


def spaces_table(material: Material) -> Simple:
    """Search spaces: one row a hyperparameter of an optimizer."""
    rows = []
    for name in material.optimizers:
        for key, box in material.study.search_spaces[name].ranges.items():
            scale = "logarithmic" if box.log else "linear"
            ends = (text.short(box.low), text.short(box.high), text.short(box.default))
            rows.append((name, key, *ends, scale))
        if not material.study.search_spaces[name].names:
            rows.append((name, "none", text.DASH, text.DASH, text.DASH, text.DASH))
    head = ("optimizer", "hyperparameter", "low", "high", "default", "scale")
    return Simple(caption="Search spaces", head=head, rows=tuple(rows))


def phases_table(material: Material) -> Simple:
    """Phases with their samplers, and trials done of those planned by optimizer."""
    planned, done = planned_trials(material), trials_by_phase(material)
    rows = []
    for phase in material.study.phases:
        counts = []
        for name in material.optimizers:
            have, want = done.get((name, phase.name), 0), planned.get((name, phase.name), 0)
            whole = have == want or want is None
            counts.append(
                (text.count(have) if have else text.DASH)
                if whole
                else f"{text.count(have)} of {text.count(want)}"
            )
        points = phase.points if phase.points is not None else (len(phase.fixed) or None)
        shape = (text.short(points), text.short(phase.replicates), text.short(phase.seeds))
        rows.append((phase.name, phase.sampler or text.DASH, *shape, *counts))
    head = ("phase", "sampler", "points", "replicates", "seeds", *material.optimizers)
    return Simple(caption="Phases, and trials by optimizer", head=head, rows=tuple(rows))


def best_table(material: Material) -> Simple | None:
    """Each optimizer's own best setting."""
    rows = []
    for name in material.optimizers:
        entry = (material.summary.get("optimizers") or {}).get(name) or {}
        point = entry.get("best_point") or {}
        inner = point.get("hyperparameters", point)
        shown = text.setting({k: v for k, v in inner.items() if k not in ("point", "seed")})
        if shown:
            rows.append((name, shown))
    if not rows:
        return None
    return Simple(caption="Own best settings", head=("optimizer", "setting"), rows=tuple(rows))


def provenance_table(material: Material) -> Simple:
    """Where the numbers come from: hash, commit, versions, device, times, command line."""
    manifest = material.manifest
    versions = manifest.get("versions") or {}
    rows = [
        ("study hash", str(manifest.get("study_hash") or material.study.hash)),
        ("commit", str(manifest.get("commit") or "not in a repository")),
        ("device", str(manifest.get("device") or text.DASH)),
        ("engine", _engine(manifest.get("engine") or {})),
        ("started", str(manifest.get("started") or text.DASH)),
        ("finished", str(manifest.get("finished") or text.DASH)),
        ("command", " ".join(str(part) for part in manifest.get("command") or ()) or text.DASH),
        ("versions", _joined(f"{name} {version}" for name, version in versions.items())),
    ]
    return Simple(caption="Provenance", head=("what", "value"), rows=tuple(rows))


def _engine(engine: Mapping[str, Any]) -> str:
    """How packs were computed, and what was measured to choose it."""
    if not engine:
        return text.DASH
    measured = (engine.get("seconds") or {}).items()
    timings = _joined(f"{way} {text.short(1e6 * float(value))} µs" for way, value in measured)
    chosen = f"models computed {engine.get('way')}, {text.count(engine.get('rows'))} a pack"
    return f"{chosen}; one loss and gradient of a model, as measured at the start: {timings}"


def _share(part: int, whole: int) -> str:
    if not whole:
        return text.count(part)
    return f"{text.count(part)} ({text.fixed(100 * part / whole, 1)} %)"


def _date(stamp: Any) -> str:
    try:
        return datetime.fromisoformat(str(stamp)).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return ""


def _joined(parts: Any) -> str:
    return ", ".join(parts) or text.DASH
