"""What every decoded split must be, whichever source it came from."""

from __future__ import annotations

import numpy as np

from harness.contracts import LabeledImages, Layout
from harness.errors import DataError
from harness.words import listed


def check_decoded(name: str, split: str, decoded: LabeledImages, classes: tuple[str, ...], like: Layout | None) -> None:
    """Refuse a split that nothing can be fitted or tested on.

    Raises:
        DataError: no images; images that are not uint8 [N, H, W, 1 or 3] or not like the training
            images; labels out of range; classes without a training image; equal class names.
    """
    where = f"{name}: {split} split"
    _check_images(where, decoded)
    _check_labels(where, decoded, classes)
    if like is None:
        _check_classes(where, decoded, classes)
        return
    shape = tuple(decoded.images.shape[1:])
    if shape != like.shape:
        raise DataError(f"{where}: images are {_sizes(shape)}, the training images {_sizes(like.shape)}; give resize")


def _check_images(where: str, decoded: LabeledImages) -> None:
    images = decoded.images
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise DataError(f"{where}: images are {images.dtype} {images.shape}, not uint8 [N, H, W, 1 or 3]")
    if len(images) == 0:
        raise DataError(f"{where}: there are no images")
    if len(images) != len(decoded.labels):
        raise DataError(f"{where}: {len(images):,} images but {len(decoded.labels):,} labels")


def _check_labels(where: str, decoded: LabeledImages, classes: tuple[str, ...]) -> None:
    wrong = np.flatnonzero((decoded.labels < 0) | (decoded.labels >= len(classes)))
    if len(wrong):
        rows = [f"image {row}: {decoded.labels[row]}" for row in wrong]
        raise DataError(f"{where}: labels out of range 0 to {len(classes) - 1} ({len(wrong):,}):\n{listed(rows)}")


def _check_classes(where: str, decoded: LabeledImages, classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        raise DataError(f"{where}: {len(classes)} class, but telling classes apart needs at least 2")
    repeated = sorted({name for name in classes if classes.count(name) > 1})
    if repeated:
        raise DataError(f"{where}: class names that are there twice:\n{listed(repeated)}")
    counts = np.bincount(decoded.labels, minlength=len(classes))
    empty = [classes[label] for label in np.flatnonzero(counts == 0)]
    if empty:
        raise DataError(f"{where}: classes without an image ({len(empty)}):\n{listed(empty)}")


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
