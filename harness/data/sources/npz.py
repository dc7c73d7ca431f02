"""NumPy archives of images and labels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image
from pydantic import model_validator

from harness.contracts import LabeledImages, Layout, Positive, Source
from harness.data.image_files import fitted
from harness.data.sources._tables import class_names, encode_labels
from harness.data.sources._trees import Places, contents_of, stamp_of
from harness.errors import DataError, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Npz(Source):
    """`path` is one file with `x_train`, `y_train`, `x_test`, `y_test`; or `train` and `test` with `x`, `y`.

    Images are whole numbers 0 to 255, [N, H, W] or [N, H, W, C]; labels whole numbers or text. An
    array `classes` names the classes that the labels count through; without it they are the sorted
    label values. `validation.groups` names an array with a group for each training image.
    """

    path: Path | None = None
    """A file that holds the arrays of both splits."""
    train: Path | None = None
    """A file with the training arrays, where the splits lie apart; with `test`, in place of `path`."""
    test: Path | None = None
    """As `train`, for the test split."""
    resize: Positive | tuple[Positive, Positive] | None = None
    """Side, or height and width."""
    channels: Literal["auto", 1, 3] = "auto"
    """auto: as the training array has them."""

    @model_validator(mode="after")
    def _named(self) -> Npz:
        if self.path is None and self.train is None:
            raise ValueError("give path: (a file with both splits), or train: and test:")
        return self

    def fetch(self, split: str, root: Path) -> None:
        """Check that the split's arrays are there; reads the archive's directory alone."""
        file = self._file(split)
        names = _names(file)
        for axis in ("x", "y"):
            _find(file, names, axis, split)

    def stamp(self, split: str, root: Path) -> str:
        """Return a digest of the file's path, size and time."""
        return stamp_of([self._file(split)])

    def contents(self, split: str, root: Path) -> str:
        """Return a digest of the file's bytes."""
        return contents_of([("", self._file(split))])

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the array `classes`, or the sorted values of the training labels."""
        return self._given_classes() or class_names(_labels(self._file("train"), "train"))

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Return a split; the other split's arrays are not read."""
        file = self._file(split)
        classes = like.classes if like else self.classes(root)
        labels = encode_labels(str(file), _labels(file, split), classes, self._given_classes() is not None)
        images = self._fitted(_images(file, split), like)
        return LabeledImages(images, labels, np.arange(len(images), dtype=np.int64))

    def groups(self, name: str, root: Path) -> NDArray[np.str_]:
        """Return the training file's array `name` as text."""
        return _array(self._file("train"), name).astype(np.str_)

    def _given_classes(self) -> tuple[str, ...] | None:
        file = self._file("train")
        return tuple(map(str, _array(file, "classes").tolist())) if "classes" in _names(file) else None

    def _fitted(self, images: NDArray[np.uint8], like: Layout | None) -> NDArray[np.uint8]:
        height, width, own = images.shape[1:]
        wanted = own if self.channels == "auto" else self.channels
        channels = like.shape[2] if like else wanted
        size = (self.resize, self.resize) if isinstance(self.resize, int) else self.resize or (height, width)
        if (*size, channels) == (height, width, own):
            return images
        drawn = (Image.fromarray(image if own == 3 else image[..., 0]) for image in images)
        return np.stack([fitted(image, (*size, channels)) for image in drawn])

    def _file(self, split: str) -> Path:
        places = Places("npz", self.path, self.train, self.test)
        return places.own(split) or places.shared(split)


def _names(file: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: cannot be read as npz: {error}") from error


def _find(file: Path, names: list[str], axis: str, split: str) -> str:
    for name in (f"{axis}_{split}", axis):
        if name in names:
            return name
    wanted = f"{axis}_{split}"
    raise DataError(f'the {split} split of npz is missing: {file} has no array "{wanted}"{nearest(wanted, names)}')


def _array(file: Path, name: str) -> NDArray[np.generic]:
    names = _names(file)
    if name not in names:
        raise DataError(f'{file}: there is no array "{name}"{nearest(name, names)}')
    try:
        with np.load(file, allow_pickle=False) as archive:
            array: NDArray[np.generic] = archive[name]
            return array
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: array {name}: {error}") from error


def _labels(file: Path, split: str) -> NDArray[np.generic]:
    name = _find(file, _names(file), "y", split)
    labels = _array(file, name)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "iubU":
        raise DataError(f"{file}: array {name} is {labels.dtype} {labels.shape}; labels are whole numbers or text [N]")
    return labels.astype(np.int64) if labels.dtype.kind in "iub" else labels


def _images(file: Path, split: str) -> NDArray[np.uint8]:
    name = _find(file, _names(file), "x", split)
    images = _array(file, name)
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(f"{file}: array {name} is {images.shape}; images are [N, H, W] or [N, H, W, 1 or 3]")
    whole = images.dtype.kind in "iu"
    if not whole or images.min(initial=0) < 0 or images.max(initial=0) > 255:
        raise DataError(f"{file}: array {name} is {images.dtype}; images are whole numbers 0 to 255, uint8 at best")
    return images.astype(np.uint8, copy=False)
