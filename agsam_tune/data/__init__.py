"""Data sets: finding their files, downloading, verifying and reading them.

In: a data set's name. Out: its images and labels as arrays, and what was found. Must not
import torch, Ray, Optuna or pandas.
"""

from agsam_tune.data.load import load_images
from agsam_tune.data.reading import DataError, LabelledImages

__all__ = ["DataError", "LabelledImages", "load_images"]
