"""Street View House Numbers, cropped digits."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import ClassVar

import numpy as np

from harness.contracts import LabeledImages, Layout, Source
from harness.data.sources._published import RemoteFile, download, known_to_torchvision


class Svhn(Source):
    """73,257 training and 26,032 test images of house number digits, 32 x 32 x 3.

    Netzer et al. 2011, "Reading Digits in Natural Images with Unsupervised Feature Learning". The
    files label the digit 0 as 10; here it is 0. The extra images are not used.
    """

    downloads: ClassVar[bool] = True

    def fetch(self, split: str, root: Path) -> None:
        """Download the split's file and check it."""
        url, name, md5 = known_to_torchvision("SVHN").split_list[split]
        download(RemoteFile(name, (url,), md5), root)

    def stamp(self, split: str, root: Path) -> str:
        """Return a constant: the checksum lets no other images in."""
        return f"svhn {split}"

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return "0" to "9"."""
        return tuple("0123456789")

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Return a split in the published order."""
        # imported late: it takes half a second, and a fingerprint has no need of it
        content = import_module("scipy.io").loadmat(root / f"{split}_32x32.mat")
        images = np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2))
        labels = content["y"].astype(np.int64).reshape(-1) % 10
        return LabeledImages(images, labels, np.arange(len(labels), dtype=np.int64))
