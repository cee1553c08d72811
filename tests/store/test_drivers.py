"""One driver at a time: locks in files, and file systems that have none."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agsam_tune.errors import RunError, UsageError
from agsam_tune.folder import RunFolder, exclusive


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_is_named(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    out = tmp_path / "run"
    with (
        pytest.raises(UsageError, match="files cannot be locked on this file system") as caught,
        RunFolder(path=out).driver(),
    ):
        pytest.fail("ran without a lock")
    assert os.strerror(number) in str(caught.value) or "flock" in str(caught.value)
    assert not out.exists()


def test_the_lock_file_names_its_owner_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    code = f"""
import sys
from pathlib import Path
from agsam_tune.folder import exclusive
with exclusive(Path({str(path)!r}), str):
    print("held", flush=True)
    sys.stdin.read()
"""
    pipe = subprocess.PIPE
    first = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        words = f"process {first.pid} on {socket.gethostname()}, since 2"
        with (
            pytest.raises(RunError, match=words),
            exclusive(path, lambda holder: f"taken by {holder}"),
        ):
            pytest.fail("two had the lock")
    finally:
        first.kill()
        first.communicate()
    with exclusive(path, str):
        assert str(os.getpid()) in path.read_text()
    assert path.read_text() == ""


def test_a_holder_that_did_not_say_who_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with exclusive(path, str):
        for left in ("", "{", "[]", "{}"):
            path.write_text(left)
            with pytest.raises(RunError, match="did not say"), exclusive(path, str):
                pytest.fail("two had the lock")
