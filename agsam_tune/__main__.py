"""`python -m agsam_tune`: the command line. Must not import anything heavy."""

from agsam_tune.cli import main

main()
