"""What holds for all tests."""

import signal

# Jobs in the background of a shell ignore Ctrl-C, and so does what they start; tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
