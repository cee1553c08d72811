"""The protocol's tables: phases, settings, search spaces, own best settings, provenance.

In: the `Material`. Out: plain records that the template shows, which escapes every text. Must not
import torch, Ray, Optuna or matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agsam_tune.report import text
from agsam_tune.report.material import Material
from agsam_tune.report.page import Simple, planned_trials, trials_by_phase
from agsam_tune.report.tables import Linked
from agsam_tune.report.trial_links import Behind, selection


def settings_table(material: Material) -> Simple:
    """The training recipe, the data and the analysis's settings."""
    study = material.study
    rows = [("task", study.task)]
    rows += [(f"task: {key}", text.short(value)) for key, value in study.task_options.items()]
    data = material.manifest.get("data") or {}
    labels = ("train", "validation", "test", "chance", "validation_chance", "parameters", "digest")
    rows += [(f"data: {key}", text.short(data[key])) for key in labels if data.get(key) is not None]
    rows += _training(material)
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
    ]
    if material.planned:
        rows.append(("study seed", str(study.seed)))
    return Simple(caption="Settings", head=("setting", "value"), rows=tuple(rows))


def _training(material: Material) -> list[tuple[str, str]]:
    """The recipe; that of trials made elsewhere is not known."""
    if material.imported:
        return [("training", "not known: these trials were made elsewhere")]
    training = material.study.training.model_dump()
    foreign = ("betas", "eps") if training["base_optimizer"] == "sgd" else ("momentum", "nesterov")
    return [
        (f"training: {key}", text.short(value))
        for key, value in training.items()
        if key not in foreign
    ]


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
        counts: list[str | Linked] = []
        for name in material.optimizers:
            have, want = done.get((name, phase.name), 0), planned.get((name, phase.name), 0)
            whole = have == want or want is None
            shown = text.count(have) if whole else f"{text.count(have)} of {text.count(want)}"
            behind = selection({"optimizer": name, "phase": phase.name})
            what = f"Trials of {name} in phase {phase.name}"
            counts.append(Linked(value=shown, trials=behind, what=what) if have else text.DASH)
        points = phase.points if phase.points is not None else (len(phase.fixed) or None)
        shape = (text.short(points), text.short(phase.replicates), text.short(phase.seeds))
        rows.append((phase.name, phase.sampler or text.DASH, *shape, *counts))
    head = ("phase", "sampler", "points", "replicates", "seeds", *material.optimizers)
    return Simple(caption="Phases, and trials by optimizer", head=head, rows=tuple(rows))


def best_table(material: Material, behind: Behind) -> Simple | None:
    """Each optimizer's own best setting."""
    rows = []
    for name in material.optimizers:
        entry = (material.summary.get("optimizers") or {}).get(name) or {}
        point = entry.get("best_point") or {}
        inner = point.get("hyperparameters", point)
        shown = text.setting({k: v for k, v in inner.items() if k not in ("point", "seed")})
        if shown:
            trials = behind.setting(name, point) if "phase" in point else ""
            what = f"Own best setting of {name}: the trials there that chose it and measured it"
            rows.append((name, Linked(value=shown, trials=trials, what=what)))
    if not rows:
        return None
    return Simple(caption="Own best settings", head=("optimizer", "setting"), rows=tuple(rows))


def provenance_table(material: Material) -> Simple:
    """Where the numbers come from: hash, commit, versions, device, times, command line."""
    manifest = material.manifest
    versions = manifest.get("versions") or {}
    imported = material.imported
    rows = [
        (f"imported: {key}", text.short(imported[key]))
        for key in ("source", "study_file", "at", "digest")
        if imported.get(key)
    ]
    rows += [
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


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts) or text.DASH
