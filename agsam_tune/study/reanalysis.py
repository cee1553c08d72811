"""`agsam-tune report --set`: a study whose results are looked at with other settings.

In: the study of a run and the arguments. Out: the study to analyse it as, and what differs. What
decides which trials there are cannot be set here. Must not import torch, Ray, Optuna or pandas.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from agsam_tune.study.checks import ROLES, check_roles
from agsam_tune.study.errors import Problem, Problems, nearest, show
from agsam_tune.study.explain import add_validation_error
from agsam_tune.study.model import AnalysisSettings
from agsam_tune.study.overrides import apply_overrides
from agsam_tune.study.references import short_name
from agsam_tune.study.study import Study

__all__ = ["analysis_changes", "analysis_changes_text", "with_analysis"]

#: What decides which trials there are, or how often they are looked at.
_OF_THE_RUN = ("key", "max_replicates")
_ANALYSIS = tuple(
    f"analysis.{name}" for name in AnalysisSettings.model_fields if name not in _OF_THE_RUN
)
_ALLOWED = (*_ANALYSIS, *ROLES)


def with_analysis(study: Study, arguments: Sequence[str]) -> Study:
    """The study with other settings of the analysis or another candidate, baseline or control.

    A control is that of its pair: where the candidate or the baseline changes and the control is
    not set, there is none.

    Args:
        study: what was run.
        arguments: texts "KEY=VALUE" as `--set` takes them; an empty VALUE is no optimizer.

    Raises:
        StudyError: with everything that is wrong, one line a problem.
    """
    if not arguments:
        return study
    problems = Problems(study_file=f"the study {study.name}")
    for argument in arguments:
        _check_key(argument, problems)
    problems.raise_if_any()
    before = _settings(study)
    table = apply_overrides(before, arguments, problems)
    roles = {role: _role(table[role]) for role in ROLES}
    pair_changes = any(roles[role] != before[role] for role in ("candidate", "baseline"))
    if pair_changes and "control" not in problems.overrides:
        roles["control"] = None
    check_roles({"optimizers": study.optimizers, **roles}, problems)
    analysis = study.analysis
    try:
        analysis = AnalysisSettings.model_validate(table["analysis"])
    except ValidationError as error:
        add_validation_error(problems, error, AnalysisSettings, prefix="analysis")
    problems.raise_if_any()
    return study.model_copy(update={**roles, "analysis": analysis})


def analysis_changes(run: Study, here: Study) -> list[dict[str, object]]:
    """What differs between a run's study and what it is analysed as: key, run, here."""
    before, after = _leaves(run), _leaves(here)
    return [
        {"key": key, "run": before[key], "here": after[key]}
        for key in _ALLOWED
        if before[key] != after[key]
    ]


def analysis_changes_text(changes: Sequence[Mapping[str, Any]]) -> str:
    """The same for people, such as "analysis.margin 0.005 → 0.01, control gsam_matched → none"."""
    return ", ".join(f"{c['key']} {_shown(c['run'])} → {_shown(c['here'])}" for c in changes)


def _check_key(argument: str, problems: Problems) -> None:
    key, equals, _ = argument.partition("=")
    key = key.strip()
    if equals and key not in _ALLOWED:
        message = (
            f"found the key {show(key)}, allowed for what is stored: {', '.join(_ALLOWED)}; any "
            "other key needs another run (agsam-tune run, with another --out)"
            f"{nearest(key, _ALLOWED)}"
        )
        problems.found.append(Problem(file=f"--set {argument}", key="", message=message))


def _settings(study: Study) -> dict[str, Any]:
    """What may be set, as a study file has it."""
    roles = {role: getattr(study, role) for role in ROLES}
    return {**roles, "analysis": study.analysis.model_dump(mode="json")}


def _leaves(study: Study) -> dict[str, object]:
    table = _settings(study)
    settings = {f"analysis.{name}": value for name, value in table.pop("analysis").items()}
    return settings | table


def _role(value: object) -> object:
    """An optimizer as tables call it, or None for none."""
    return short_name(value) or None if isinstance(value, str) else value


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else show(value)
