"""What holds for all tests."""

import os
import signal

# Two workers share the cores with what they start: threads of one test that wait for each other
# would burn what others compute with. Before anything imports NumPy or PyTorch.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Jobs in the background of a shell ignore Ctrl-C, and so does what they start; tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
