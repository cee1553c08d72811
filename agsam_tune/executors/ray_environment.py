"""What Ray reads from the environment, set before it is imported.

In: whether Ray is started here or attached to. Out: environment variables, which the processes
that Ray starts inherit; whether anything answers at a cluster's address. Must not import Ray.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path

from agsam_tune.errors import UsageError

# The first keeps Ray's listeners on 127.0.0.1.
_ALWAYS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would drop the packs being trained; see `signals`
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "1e9",
    "TUNE_MAX_PENDING_TRIALS_PG": "10000",  # how many wait is decided by `ray_tune._Packs`
}
# One for the life of the process, in which Ray reads it only once.
_TOKEN = secrets.token_hex(32)
_MODE, _PATH, _VALUE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_TOKEN"


def before_ray(*, address: str | None) -> None:
    """Set what Ray reads when it is imported.

    A Ray of our own asks for a token; of a cluster, the user's environment says whether it does.
    A process that has imported Ray already keeps what it had then.
    """
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    if address is None and "ray" not in sys.modules:
        os.environ[_MODE] = "token"


def use_token(path: Path) -> None:
    """Write our token to a file that only we can read, and let Ray use it, if it asks for one."""
    if os.environ.get(_MODE) != "token":
        return
    path.touch(mode=0o600)
    path.write_text(_TOKEN)
    os.environ.pop(_VALUE, None)  # it would come before the file
    os.environ[_PATH] = str(path)


def check_address(address: str) -> None:
    """Raise UsageError unless `address` is `auto`, or HOST:PORT where something answers.

    Ray itself would try for minutes.
    """
    if address.startswith("ray://"):
        msg = (
            f"--address {address}: Ray's client is not supported, since Ray Tune would move the "
            "search away from the results' storage; run the command on a machine of the cluster "
            "with --address auto (docs/cluster.md)"
        )
        raise UsageError(msg)
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host.strip("[]") and port.isdecimal() and int(port) < 1 << 16):
        msg = f"--address {address}: allowed: auto, or HOST:PORT of a Ray cluster's head"
        raise UsageError(msg)
    if address == "auto":
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--address {address}: no Ray cluster is there: {error}") from error
