"""Paths that a database, a server or a folder from elsewhere names: followed as far as its own folder goes, no further.

A store that comes from someone else may name any file of this machine, by an address in its database, by `..`, or by a
symbolic link among its files. So whatever follows a path out of a store asks here first. Hard links cannot be told from
files: who can make one has the file already, and none survives being packed or sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


def within(root: Path, path: Path) -> bool:
    """Whether a path leads to a place below `root`, or would if it were there; all symbolic links are followed."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # a circle of links, a name too long, a zero byte
        return False


@dataclass(frozen=True, slots=True)
class Files:
    """What lies below a folder: its regular files, their size, and what is none or leads elsewhere, with the reason."""

    regular: tuple[Path, ...]
    size_bytes: int
    strange: tuple[str, ...]


def files_of(folder: Path, root: Path) -> Files:
    """Return the files below a folder of a store.

    Args:
        folder: The folder; it need not be there.
        root: What the store's files must lie below.
    """
    regular, strange, size = [], [], 0
    for path, reason in _entries(folder, root):
        if reason:
            strange.append(f"{path}: {reason}")
        else:
            regular.append(path)
            size += path.stat().st_size
    return Files(tuple(regular), size, tuple(strange))


def _entries(folder: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file below a folder, in order, and what is wrong with it; nothing below a link is looked at."""
    if not within(root, folder):
        yield folder, f"leads out of {root}"
        return
    for where, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        for name in sorted((*names, *links)):
            yield Path(where) / name, _fault(Path(where) / name, root)


def _fault(path: Path, root: Path) -> str:
    if not within(root, path):
        return f"leads out of {root}"
    if path.is_symlink():
        return "is a symbolic link"
    return "" if path.is_file() else "is no regular file"
