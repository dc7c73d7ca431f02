"""Digests of decoded images."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts import LabeledImages
from harness.data.blocks import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS: Final = 32


def digest_of(images: LabeledImages, classes: tuple[str, ...] = ()) -> str:
    """Return 32 hex digits over pixels, labels, their shapes, and the class names."""
    digest = sha256(repr((classes, images.images.shape)).encode())
    for block in blocks(images.images):
        digest.update(block.tobytes())
    digest.update(images.labels.astype("<i8").tobytes())
    return digest.hexdigest()[:DIGITS]


def digest_of_numbers(numbers: NDArray[np.int64]) -> str:
    """Return 32 hex digits over int64 numbers in their order."""
    return sha256(numbers.astype("<i8").tobytes()).hexdigest()[:DIGITS]


def digest_of_text(text: str) -> str:
    """Return 32 hex digits over a text."""
    return sha256(text.encode()).hexdigest()[:DIGITS]
