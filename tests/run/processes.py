"""What the kernel says of processes: who started whom, who trains, who listens where."""

from pathlib import Path

# 127.0.0.1, ::1 and ::ffff:127.0.0.1, as the kernel writes them.
LOCAL = {
    "0100007F",
    "00000000000000000000000001000000",
    "0000000000000000FFFF00000100007F",
}
LISTENING = "0A"


def descendants(pid: int) -> set[int]:
    """The process and all it started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _sockets(pid: int) -> set[str]:
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    return inodes


def listeners(pids: set[int]) -> set[str]:
    """Local addresses that the processes listen on, in the kernel's hexadecimal."""
    inodes: set[str] = set()
    for pid in pids:
        try:
            inodes |= _sockets(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {line[1] for line in lines if line[3] == LISTENING and line[9] in inodes}


def is_training(pid: int) -> bool:
    """Whether it is one of Ray's workers in the middle of a pack."""
    try:
        title = Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return title.startswith("ray::") and ".train" in title
