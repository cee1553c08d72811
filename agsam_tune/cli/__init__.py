"""The command line: parses, calls, prints.

In: arguments. Out: exit codes 0 done, 1 a failure, 2 wrong use, 3 stopped with everything
so far kept. One module a command; heavy packages are imported inside the commands, and after
what may be wrong in a file or a key, so that `--help`, `list` and a wrong study file answer
at once. Must not import torch or Ray.
"""

from agsam_tune.cli.program import app, main

__all__ = ["app", "main"]
