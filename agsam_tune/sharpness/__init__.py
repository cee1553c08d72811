"""The sharpness of one model's weights, as pure functions; see `measure`."""

from agsam_tune.sharpness.batch import module_loss
from agsam_tune.sharpness.eigenvalue import Eigenpair, largest_eigenvalue
from agsam_tune.sharpness.gap import Curvature, curvature_from_gap, surrogate_gap
from agsam_tune.sharpness.hessian import exact_eigenvalues
from agsam_tune.sharpness.measure import Sharpness, measure

__all__ = [
    "Curvature",
    "Eigenpair",
    "Sharpness",
    "curvature_from_gap",
    "exact_eigenvalues",
    "largest_eigenvalue",
    "measure",
    "module_loss",
    "surrogate_gap",
]
