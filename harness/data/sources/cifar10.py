"""CIFAR-10."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from harness.contracts import LabeledImages, Layout, Source
from harness.data.sources._published import fetch_archive, read_batches, read_names

_ARCHIVE: Final = "cifar-10-python.tar.gz"
_FOLDER: Final = "cifar-10-batches-py"
_BATCHES: Final = {"train": [f"{_FOLDER}/data_batch_{part}" for part in range(1, 6)], "test": [f"{_FOLDER}/test_batch"]}


class Cifar10(Source):
    """50,000 training and 10,000 test images, 32 x 32 x 3, ten classes of things.

    Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
    """

    downloads: ClassVar[bool] = True

    def fetch(self, split: str, root: Path) -> None:
        """Download the archive, which holds both splits, and check it."""
        fetch_archive("CIFAR10", root)

    def stamp(self, split: str, root: Path) -> str:
        """Return a constant: the checksum lets no other images in."""
        return f"cifar10 {split}"

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the names that the archive gives."""
        return read_names(root / _ARCHIVE, f"{_FOLDER}/batches.meta", "label_names")

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Return a split in the published order."""
        return read_batches(root / _ARCHIVE, _BATCHES[split], "labels")
