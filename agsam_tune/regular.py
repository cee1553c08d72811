"""Files that end: what a user names may be a pipe or a device, of which reading never ends.

In: a path. Out: nothing, or an OSError. Imports the standard library only.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def check_regular(path: Path) -> None:
    """Look whether a path is a file, or a folder, before it is opened.

    Raises:
        OSError: it is a pipe, a socket or a device, or there is nothing.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is no file but a pipe or a device", str(path))
