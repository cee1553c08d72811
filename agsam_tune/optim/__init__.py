"""SAM, ASAM, GSAM and Adaptive-GSAM as `torch.optim` optimizers, for a training loop of one's own.

In: parameters and the class of a base optimizer (SGD, Adam, AdamW, …). Out: an optimizer whose
`step(closure)` takes the two passes. The formulas are the rules that the engine trains with
(`agsam_tune.optimizers`). `docs/optim.md` is the user's page. Must not import anything of this
package but `agsam_tune.optimizers` and the errors.
"""

from agsam_tune.optim.sam import ASAM, GSAM, SAM, AdaptiveGSAM
from agsam_tune.optim.two_pass import TwoPass

__all__ = ["ASAM", "GSAM", "SAM", "AdaptiveGSAM", "TwoPass"]
