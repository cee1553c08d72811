"""Words that the report explains: its own, and what each built-in optimizer does.

In: nothing. Out: texts. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("point", "One setting of the hyperparameters (rho, alpha, gamma, …)."),
    ("trial", "One training run: an optimizer at a point with a seed."),
    (
        "seed",
        "Changes initial weights and batches only, and is shared: trials with the same seed start "
        "from the same weights and see the same batches, whatever the optimizer.",
    ),
    (
        "lens",
        "What two optimizers are compared along: raw rho, each one's own best setting, or the "
        "measured radius.",
    ),
    (
        "radius",
        "The measured length ‖Δw‖ of the ascent step, averaged over training. GSAM's step has "
        "length rho, Adaptive-GSAM's rho·‖(|w|+gamma)∘ĝ‖: the same rho is not the same step.",
    ),
    ("chance", "The largest class's share of the split: what guessing reaches."),
    (
        "diverged",
        "A trial whose weights or loss became non-finite. It stays in every average, with chance "
        "as its accuracy.",
    ),
    ("failed", "Diverged, or at most 1 point above chance. It counts in every average."),
    ("raised", "A trial that broke off with an error: it has no result and is in no estimate."),
    (
        "own best",
        "An optimizer's setting with the highest mean validation accuracy over the even seeds of "
        "map and tune. Its accuracy is measured on seeds that did not choose it: the fresh seeds "
        "of misset, else the odd ones.",
    ),
    (
        "regret",
        "Accuracy at the own best minus accuracy at a setting. Regret sensitivity is its mean over "
        "mis-set settings: what somebody loses who does not tune.",
    ),
    ("points", "Percentage points of accuracy: 0.50 points is a difference of 0.005."),
    (
        "intervals",
        "t-intervals: over the map's independent replicates together with the seeds for averages "
        "over the search space; over fresh seeds (and the draws, with all off together) around the "
        "own best; by a jackknife over replicates at the same radius; by the ends of the losses' "
        "t-intervals for tolerance in rho. A difference between optimizers that rests on the own "
        "best also includes how much the choice of the best setting varies, so it is wider than "
        "the two optimizers' own intervals suggest. All are conditional on the data and the split; "
        "the test set's own error is given beside the verdict.",
    ),
    (
        "verdicts",
        "“Equivalent” needs an interval inside ± the study's margin; “undecided” means that the "
        "interval allows more than one answer. p-values are Holm-corrected within a lens.",
    ),
)

OPTIMIZERS: Mapping[str, str] = {
    "sgd": "plain stochastic gradient descent: one gradient a step",
    "sgd_2x": "sgd with twice the epochs: what SAM's two gradients a step cost",
    "sam": "climbs a step of length rho along the gradient and descends with the gradient there",
    "asam": "sam with a longer step along large weights (by their squares)",
    "asam_weights": "asam with biases unscaled, as its authors' program has it",
    "gsam": "SAM's step of length rho, and an update that also narrows the gap between the loss "
    "after that step and before it, with weight alpha",
    "adaptive_gsam": "gsam with a step in proportion to each weight's size, "
    "rho·ĝ∘(|w|+gamma): the same rho is a step of another length",
    "gsam_matched": "gsam's direction with adaptive_gsam's length of step: tells what the length "
    "alone does",
    "adaptive_gsam_t2": "gsam's update with asam's step",
    "gap_penalty": "SAM's step, and an update less (1 − lam) times the plain gradient",
}
"""What the built-in optimizers do, for readers who know SAM (docs/design.md, Formulas)."""

LENSES: tuple[tuple[str, str], ...] = (
    ("same rho", "the same numbers for both, whatever they mean"),
    ("own best", "each one's own best setting, off by the same factors"),
    ("same radius", "settings whose step, as measured, is equally long"),
)
"""What the claim's three comparisons compare, each in a line."""

LENSES_WITHOUT_RHO = (("same settings", LENSES[0][1]), *LENSES[1:])
