"""What Ray reads from the environment, set before it is imported.

In: whether Ray is started here or attached to. Out: environment variables, which the processes
that Ray starts inherit; where its files can lie; whether anything answers at a cluster's address.
Must not import Ray.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import sys
import tempfile
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
_ADDRESS = "RAY_ADDRESS"
# How a scratch folder is called, and the longest path of a socket in it, below its parent.
SCRATCH = "agsam-"
_SOCKET = f"/{SCRATCH}12345678/ray/session_2026-01-31_23-59-59_123456_4194304/sockets/plasma_store"
_LONGEST = 103 if sys.platform == "darwin" else 107  # bytes of a socket's path
_PLAIN = re.compile(r"[A-Za-z0-9_./+=@:,~-]*")  # Ray fails at others, such as ü


def before_ray(*, address: str | None) -> None:
    """Set what Ray reads when it is imported.

    A Ray of our own asks for a token; of a cluster, the user's environment says whether it does.
    A process that has imported Ray already keeps what it had then.
    """
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    if address is None and "ray" not in sys.modules:
        os.environ[_MODE] = "token"


def scratch_parents() -> list[Path]:
    """Folders for Ray's files, the usual one first; the others are short, for where that is not.

    The last is in memory, for where none of the others can be written to.
    """
    others = ("/tmp", "/var/tmp", os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm")  # noqa: S108
    return list(dict.fromkeys(map(Path, filter(None, (tempfile.gettempdir(), *others)))))


def scratch_parent() -> Path:
    """The first of these in which Ray's files can lie.

    Raises:
        UsageError: there is none.
    """
    usual, *others = scratch_parents()
    if (reason := _unfit(usual)) is None:
        return usual
    for folder in others:
        is_open = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
        if is_open and _unfit(folder) is None:
            return folder
    msg = (
        f"{usual}: the path of the temporary folder {reason}, and none of "
        f"{', '.join(map(str, others))} can be written to; set TMPDIR to a folder whose path has "
        f"at most {_LONGEST - len(_SOCKET)} letters or digits, or choose --executor inline"
    )
    raise UsageError(msg)


def _unfit(folder: Path) -> str | None:
    """Why Ray's files cannot lie in a folder; None where they can."""
    if len(os.fsencode(folder)) + len(_SOCKET) > _LONGEST:
        return "is too long for the sockets of Ray"
    return None if _PLAIN.fullmatch(str(folder)) else "has characters at which Ray fails"


def ray_notes(*, address: str | None) -> list[str]:
    """What a user is told before a Ray is started: where it does not do what was asked for."""
    if address is not None:
        return []
    notes = []
    usual, parent = scratch_parents()[0], scratch_parent()
    if parent != usual:
        notes.append(
            f"Ray's files lie in a private folder in {parent} during the run, since the path of "
            f"the temporary folder {_unfit(usual)}: {usual}"
        )
    if found := os.environ.get(_ADDRESS):
        notes.append(
            f"{_ADDRESS} is {found}, and not used: this run starts a Ray of its own; "
            "--address auto runs on that cluster"
        )
    return notes


def use_token(path: Path) -> None:
    """Write our token to a file that only we can read, and let Ray use it, if it asks for one."""
    if os.environ.get(_MODE) != "token":
        return
    path.touch(mode=0o600)
    path.write_text(_TOKEN)
    os.environ.pop(_VALUE, None)  # it would come before the file
    os.environ[_PATH] = str(path)


def check_ray(address: str | None) -> None:
    """Raise UsageError where no Ray can be started, or none is at `address`."""
    if address is None:
        scratch_parent()
    else:
        _check_address(address)


def _check_address(address: str) -> None:
    """Raise UsageError unless `address` is `auto`, or HOST:PORT where something answers.

    Ray itself would try for minutes. What RAY_ADDRESS says is meant by `auto`, as Ray has it.
    """
    found = os.environ.get(_ADDRESS) if address == "auto" else None
    said = f"--address {address}" + (f", {_ADDRESS} {found}" if found else "")
    address = found or address
    if address.startswith("ray://"):
        msg = (
            f"{said}: Ray's client is not supported, since Ray Tune would move the "
            "search away from the results' storage; run the command on a machine of the cluster "
            "with --address auto (docs/cluster.md)"
        )
        raise UsageError(msg)
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host.strip("[]") and port.isdecimal() and int(port) < 1 << 16):
        msg = f"{said}: allowed: auto, or HOST:PORT of a Ray cluster's head"
        raise UsageError(msg)
    if address == "auto":
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{said}: no Ray cluster is there: {error}") from error
