"""Independent random streams from one seed, and digests of files and texts."""

from __future__ import annotations

import hashlib
from hashlib import sha256
from pathlib import Path
from typing import Final

DIGITS: Final = 16


def file_digest(path: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def text_digest(text: str) -> str:
    """Return the same of a text, as a file of it in UTF-8 has it."""
    return sha256(text.encode()).hexdigest()[:DIGITS]


def seed_for(seed: int, purpose: str) -> int:
    """Return a 63-bit seed for one purpose ("weights", "order", "augment", "split" ...).

    Streams of different purposes are independent, so drawing one more number for augmentation
    leaves the data order and the initial weights as they were.
    """
    digest = sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
