"""Scikit-learn's handwritten digits, which come with the library."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from harness.contracts import LabeledImages, Layout, Source
from harness.data.carve import stratified


class Digits(Source):
    """1,797 digits, 8 x 8 x 1, ten classes (`sklearn.datasets.load_digits`).

    The library's copy has no test split, so this one is fixed here: stratified, 360 test and 1,437
    training images, drawn by seed 0. Pixels 0 to 16 become 0 to 255 (times 255/16, rounded).
    """

    def fetch(self, split: str, root: Path) -> None:
        """Do nothing: the images come with scikit-learn."""

    def stamp(self, split: str, root: Path) -> str:
        """Return a constant: the images never change."""
        return f"digits {split}, seed 0, 360 test images"

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return "0" to "9"."""
        return tuple("0123456789")

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Return one side of the fixed split, in the library's order."""
        digits = _load()
        labels = digits.target.astype(np.int64)
        is_test = np.zeros(len(labels), dtype=bool)
        is_test[stratified(labels, 10, 360, np.random.default_rng(0))] = True
        kept = is_test if split == "test" else ~is_test
        images = np.rint(digits.images[kept] * (255 / 16)).astype(np.uint8)[..., None]
        return LabeledImages(images, labels[kept], np.arange(len(images), dtype=np.int64))


def _load() -> Any:
    # imported late: it takes a second, and a stamp or a fingerprint has no need of it
    return import_module("sklearn.datasets").load_digits()
