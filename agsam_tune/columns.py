"""The columns of the trials table; the study's hyperparameters stand between the two parts.

In: nothing. Out: names. Imports nothing.
"""

BEFORE_HYPERPARAMETERS = (
    "study",
    "task",
    "optimizer",
    "phase",
    "replicate",
    "point",
    "seed",
)

AFTER_HYPERPARAMETERS = (
    "val_accuracy",
    "test_accuracy",
    "test_loss",
    "train_loss",
    "radius",
    "surrogate_gap",
    "diverged",
    "diverged_step",
    "state",
    "seconds",
    "trial_number",
    "error",
)

# What is measured besides where the study asks for it; they stand before `diverged`.
SHARPNESS_OF_WEIGHTS = (
    "sigma_max",
    "sigma_residual",
    "sigma_iterations",
    "sigma_from_gap",
    "sigma_from_difference",
    "gap",
    "gap_adaptive",
)
SHARPNESS = (*SHARPNESS_OF_WEIGHTS, "gradient_norm", "gradient_cosine")

# Of the way from the trivial score to the best, what a training must get not to have collapsed.
COLLAPSED = 0.01

# An attribute of an Optuna study of ours: the numbers of its trials that count no more, since they
# were to be run again.
SET_ASIDE = "agsam_tune_set_aside"
