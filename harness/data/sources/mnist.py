"""MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from harness.contracts import LabeledImages, Layout, Source
from harness.data.sources._published import fetch_idx, read_idx


class Mnist(Source):
    """60,000 training and 10,000 test images of handwritten digits, 28 x 28 x 1.

    LeCun, Cortes and Burges 1998, "The MNIST database of handwritten digits".
    """

    downloads: ClassVar[bool] = True

    def fetch(self, split: str, root: Path) -> None:
        """Download the split's two files and check it."""
        fetch_idx("MNIST", split, root)

    def stamp(self, split: str, root: Path) -> str:
        """Return a constant: the checksum lets no other images in."""
        return f"mnist {split}"

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return "0" to "9"."""
        return tuple("0123456789")

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Return a split in the published order."""
        return read_idx(split, root)
