"""agsam-tune: how much accuracy an optimizer loses when its hyperparameters are mis-set."""

__version__ = "0.1.0"
