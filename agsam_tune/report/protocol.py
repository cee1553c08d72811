"""The protocol's tables: phases, settings, search spaces, provenance.

In: the `Material`. Out: tables. Must not import torch, Ray, Optuna or matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agsam_tune.report import text
from agsam_tune.report.blocks import Cell, Number, Table, table
from agsam_tune.report.links import selection
from agsam_tune.report.material import Material
from agsam_tune.study import planned_trials

__all__ = ["phases_table", "provenance_table", "settings_table", "spaces_table"]


def settings_table(material: Material) -> Table | None:
    """The training recipe and the data."""
    study = material.study
    rows = [("task", study.task)]
    rows += [(f"task: {key}", text.short(value)) for key, value in study.task_options.items()]
    data = material.manifest.get("data") or {}
    labels = ("train", "validation", "test", "chance", "validation_chance", "parameters", "digest")
    rows += [(f"data: {key}", text.short(data[key])) for key in labels if data.get(key) is not None]
    rows += _training(material)
    if not material.imported:
        rows.append(("study seed", str(study.seed)))
    return table("Settings", ("setting", "value"), rows, code=True)


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


def spaces_table(material: Material) -> Table | None:
    """Search spaces: one row a hyperparameter of an optimizer."""
    rows = []
    for name in material.optimizers:
        for key, box in material.study.search_spaces[name].ranges.items():
            scale = "logarithmic" if box.log else "linear"
            ends = (text.short(end) for end in (box.low, box.high, box.default))
            bounds = ("" if end is None else text.short(end) for end in (box.min, box.max))
            rows.append((name, key, *ends, *bounds, scale))
        if not material.study.search_spaces[name].names:
            rows.append((name, "none", *("",) * 5, ""))
    head = ("optimizer", "hyperparameter", "low", "high", "default", "min", "max", "scale")
    return table("Search spaces", head, rows)


def phases_table(material: Material) -> Table | None:
    """Phases, and trials by optimizer: done, of those planned where fewer are."""
    planned = planned_trials(material.study)
    sizes = material.trials.groupby(["optimizer", "phase"], observed=True).size()
    done = {(str(name), str(phase)): int(n) for (name, phase), n in sizes.items()}
    rows = []
    for phase in material.study.phases:
        counts = (
            _count(name, phase.name, done, planned.get((name, phase.name)))
            for name in material.optimizers
        )
        points = phase.points if phase.points is not None else (len(phase.fixed) or None)
        rows.append((phase.name, phase.sampler or "", text.short(points), *counts))
    head = ("phase", "sampler", "points a replicate", *material.optimizers)
    return table("Phases, and trials by optimizer", head, rows)


def _count(name: str, phase: str, done: Mapping[tuple[str, str], int], planned: int | None) -> Cell:
    have = done.get((name, phase), 0)
    if not have and not planned:
        return text.DASH
    short = planned is not None and have < planned
    shown = f"{text.count(have)} of {text.count(planned)}" if short else text.count(have)
    behind = selection({"optimizer": name, "phase": phase}) if have else ""
    return Number(value=shown, trials=behind, what=f"Trials of {name} in phase {phase}")


def provenance_table(material: Material) -> Table | None:
    """Where the numbers come from: hash, commit, versions, device, times, command line."""
    manifest, imported = material.manifest, material.imported
    rows = [
        (f"imported: {key}", text.short(imported[key]))
        for key in ("source", "study_file", "at", "digest")
        if imported.get(key)
    ]
    versions = manifest.get("versions") or {}
    rows += [
        ("study hash", str(manifest.get("study_hash") or material.study.hash)),
        ("commit", str(manifest.get("commit") or "not in a repository")),
        ("device", str(manifest.get("device") or "")),
        ("engine", _engine(manifest.get("engine") or {})),
        ("started", str(manifest.get("started") or "")),
        ("finished", str(manifest.get("finished") or "")),
        ("command", " ".join(str(part) for part in manifest.get("command") or ())),
        ("versions", _joined(f"{name} {version}" for name, version in versions.items())),
    ]
    return table("Provenance", ("what", "value"), [row for row in rows if row[1]], code=True)


def _engine(engine: Mapping[str, Any]) -> str:
    """How packs were computed, and what was measured to choose it."""
    if not engine:
        return ""
    measured = (engine.get("seconds") or {}).items()
    timings = _joined(f"{way} {text.short(1e6 * float(value))} µs" for way, value in measured)
    chosen = f"models computed {engine.get('way')}, {text.count(engine.get('rows'))} a pack"
    return f"{chosen}; one loss and gradient of a model, as measured at the start: {timings}"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)
