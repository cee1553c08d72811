"""Which plates a report has, in its order.

In: the `Material`. Out: `Plate`s. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import re

from agsam_tune.report import fixed
from agsam_tune.report.figures import plates, range_plate, share_plates, surface_plates
from agsam_tune.report.figures.plates import Plate
from agsam_tune.report.lens_curves import lens_curves
from agsam_tune.report.material import Material

PLATE_KEY = re.compile(
    r"claim|fixed|accuracy|misset|surface-\d+|difference-\d+|gap|distribution|tuning|indices|range"
    r"|learning"
)
"""The names of all figures that a report may have."""


def all_plates(material: Material) -> list[Plate]:
    """Those that the run has something to show in."""
    curves = lens_curves(material.context, material.trials)
    made = [
        plates.claim_plate(material),
        fixed.fixed_plate(material),
        plates.accuracy_plate(material, curves),
        plates.misset_plate(material, curves),
        *surface_plates.surface_plates(material),
        *surface_plates.difference_plates(material),
        plates.gap_plate(material, curves),
        share_plates.distribution_plate(material, curves.references),
        share_plates.tuning_plate(material, curves.references),
        share_plates.indices_plate(material),
        range_plate.range_plate(material),
        plates.learning_plate(material),
    ]
    return [plate for plate in made if plate is not None]
