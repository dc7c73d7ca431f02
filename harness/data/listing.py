"""Lists of files in messages: a handful, then how many more."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from harness.errors import DataError, nearest

SHOWN: Final = 10


def listed(items: Sequence[str]) -> str:
    """Return the items one a line, the first ten, then "and N more"."""
    lines = [f"  {item}" for item in items[:SHOWN]]
    if len(items) > SHOWN:
        lines.append(f"  and {len(items) - SHOWN:,} more")
    return "\n".join(lines)


def require_existing(path: Path, option: str) -> Path:
    """Return the path; raises DataError with the nearest name where nothing is there."""
    if path.exists():
        return path
    parent = path.parent
    names = [each.name for each in parent.iterdir()] if parent.is_dir() else []
    guess = nearest(path.name, names)
    is_short = len(names) <= SHOWN or guess.startswith("; did you mean")
    raise DataError(f"{option} {path}: no such file or folder{guess if is_short else ''}")


def stamp_of(files: Iterable[Path]) -> str:
    """Return a text that changes when any of the files moves, grows or is written again."""
    digest = sha256()
    for path in files:
        status = path.stat()
        digest.update(f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
