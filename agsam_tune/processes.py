"""Whether a process is still there, looked at from outside.

In: a process's number and when it began. Out: yes or no. Must not import anything heavy.
"""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path

# Clocks are set, and a start is noted a moment after it.
_SLACK_SECONDS = 60.0
# Of /proc/PID/stat behind the name: the state, and the start in ticks since the machine's.
_STATE, _START = 0, 19


def is_alive(pid: int, began: datetime) -> bool:
    """Whether the process is there, and not another that has its number now.

    Args:
        pid: its number on this machine.
        began: when it was there for certain.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # there, and somebody else's
    try:
        said = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        fields = said.rpartition(")")[2].split()
        start = int(fields[_START]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - start
    except (OSError, ValueError, IndexError, AttributeError):
        return True  # systems without /proc do not tell
    return fields[_STATE] != "Z" and time.time() - age <= began.timestamp() + _SLACK_SECONDS
