"""Reading the ends of log files."""

from pathlib import Path

LONGEST_READ = 200_000


def tail(file: Path, lines: int = 20, since: int = 0) -> str:
    """The last `lines` lines of `file` that were written after byte `since`; empty if there is no such file."""
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        start = since if since <= size else 0
        stream.seek(max(start, size - LONGEST_READ))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])


def length(file: Path) -> int:
    """Bytes in `file`; 0 if there is no such file."""
    return file.stat().st_size if file.exists() else 0
