"""Which trials are behind a number: selections of the trials table, as links carry them.

In: an optimizer and a lens. Out: selections, texts such as
`optimizer=gsam&phase=map&state=COMPLETE`, which the page's script reads (templates/trials.js).
Must not import torch, Ray, Optuna or matplotlib.

A selection is clauses apart by `;`, of which one must hold for a trial; a clause is conditions
apart by `&`, of which all must hold; a condition is a column, `=`, and the allowed values apart by
`,`. A value of a number's column may be a range `low..high`, `odd` or `even`; that of a flag is
`yes` or `no`. Names are percent-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from agsam_tune.report.material import Material

__all__ = ["ALL_TRIALS", "LENS_PHASES", "lens_trials", "selection"]

ALL_TRIALS = "state=COMPLETE,FAIL"
LENS_PHASES: Mapping[str, tuple[str, ...]] = {
    "same_setting": ("map", "key"),
    "own_scale": ("key", "off"),
    "equal_radius": ("key", "radius"),
    "around_best": ("map", "tune", "misset"),
    "around_default": ("default", "key"),
    "fixed": ("fixed",),
}
"""The phases of the trainings that a lens's numbers are made from."""


def selection(*clauses: Mapping[str, object]) -> str:
    """The clauses (column → its allowed value, or a sequence of them) as text; equal ones once."""
    return ";".join(dict.fromkeys("&".join(_conditions(clause)) for clause in clauses))


def _conditions(clause: Mapping[str, object]) -> list[str]:
    made = []
    for key, allowed in clause.items():
        values = allowed if isinstance(allowed, (list, tuple)) else (allowed,)
        made.append(f"{quote(key, safe='')}={','.join(quote(str(v), safe='') for v in values)}")
    return made


def lens_trials(material: Material, lens: str, *optimizers: str) -> str:
    """Those of these optimizers in the lens's phases; empty where there are none."""
    phases = [name for name in LENS_PHASES[lens] if name in material.phases]
    if not phases or not optimizers:
        return ""
    return selection({"optimizer": optimizers, "phase": phases, "state": "COMPLETE"})
