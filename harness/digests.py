"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

DIGITS: Final = 16


def file_digest(path: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
