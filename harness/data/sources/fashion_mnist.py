"""Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from harness.contracts import LabeledImages, Layout, Source
from harness.data.sources._published import fetch_idx, read_idx

_CLASSES: Final = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


class FashionMnist(Source):
    """60,000 training and 10,000 test images of clothes, 28 x 28 x 1, ten classes.

    Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset".
    """

    downloads: ClassVar[bool] = True

    def fetch(self, split: str, root: Path) -> None:
        """Download the split's two files and check it."""
        fetch_idx("FashionMNIST", split, root)

    def stamp(self, split: str, root: Path) -> str:
        """Return a constant: the checksum lets no other images in."""
        return f"fashion_mnist {split}"

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the published names."""
        return _CLASSES

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Return a split in the published order."""
        return read_idx(split, root)
