"""The engine against its peers, on this machine, as ratios measured side by side."""

from agsam_tune.bench.measuring import PARTS, run_bench
from agsam_tune.bench.plot import plot
from agsam_tune.bench.texts import markdown, table

__all__ = ["PARTS", "markdown", "plot", "run_bench", "table"]
