"""Files that are written whole or not at all.

In: a path and its content. Out: the file; readers see the old one or the new one, never a
part. Imports the standard library only.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replacing(path: Path, *, mode: int) -> Iterator[IO[bytes]]:
    """A file beside the path to write to, which takes its place when the block is done.

    Args:
        path: where it is moved to.
        mode: its permissions.

    Raises:
        OSError: the folder cannot be written to; then nothing is left behind.
    """
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(mode)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there; others may read it.

    Raises:
        OSError: the folder cannot be written to; then nothing is left behind.
    """
    with replacing(path, mode=0o644) as file:
        file.write(content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file; NaN and infinity are refused, since JSON has neither."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(path, text.encode())
