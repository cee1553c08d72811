"""A study whose names and notes come from somebody who wishes the reader ill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agsam_tune.study import Study
from tests.report.runs import arguments, study_of, trials_of

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
MATH = "$\\frac{1}{0}$ {{ 7*7 }} ]]> &amp; --> \x07"
GREEK = "ß" * 300


def hostile_study() -> Study:
    """quick.toml with hostile names of study, task, task option, hyperparameter and optimizers.

    Those that are compared have their names all over the page.
    """
    resolved = study_of("quick").resolved()
    resolved |= {"name": SCRIPT, "task": IMAGE, "task_options": {SCRIPT: IMAGE}}
    resolved["optimizers"] = [SCRIPT, MATH, GREEK]
    resolved |= {"candidate": SCRIPT, "baseline": GREEK, "control": MATH}
    own = {SCRIPT: {"low": 0.1, "high": 1.0, "log": True, "default": 0.5}}
    space = resolved["search_spaces"]["gsam"]
    resolved["search_spaces"] = {
        name: {"optimizer": name, "ranges": space["ranges"] | own} for name in (SCRIPT, MATH, GREEK)
    }
    return Study.from_resolved(resolved)


def hostile_arguments() -> Mapping[str, Any]:
    """Keyword arguments of `write_report` for a run of that study."""
    study = hostile_study()
    manifest = {
        "device": SCRIPT,
        "commit": IMAGE,
        "command": ["agsam-tune", SCRIPT],
        "versions": {SCRIPT: IMAGE},
    }
    return arguments(study, trials_of(study), **manifest)
