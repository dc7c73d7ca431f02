"""NumPy archives of images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image
from pydantic import model_validator

from harness.contracts import LabeledImages, Layout, Positive, Source
from harness.data.image_files import fitted
from harness.data.sources._arrays import NAMES, find_array, names_in, read_array, shapes_in
from harness.data.sources._tables import class_names, encode_labels, left_out, present
from harness.data.sources._trees import Places, contents_of, stamp_of
from harness.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Npz(Source):
    """`path` is one file with `x_train`, `y_train`, `x_test`, `y_test`; or `train` and `test` with `x`, `y`.

    Also `X_train` and so on, and `train_images`, `train_labels`. Images are whole numbers 0 to 255, [N, H, W] or
    [N, H, W, C]; labels whole numbers or text. An array `classes` names the classes that the labels count through;
    without it they are the sorted label values. `validation.groups` names an array with a group for each training
    image. An array of over 256 MB may unpack to at most a hundred times its size in the file.
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
        for axis in NAMES:
            find_array(file, axis, split)

    def stamp(self, split: str, root: Path) -> str:
        """Return a digest of the file's path, size and time."""
        return stamp_of([self._file(split)])

    def contents(self, split: str, root: Path) -> str:
        """Return a digest of the file's bytes."""
        return contents_of([("", self._file(split))])

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the array `classes`, or the sorted values of the training labels."""
        labels = _labels(self._file("train"), "train")
        given = self._given_classes()
        return class_names(labels) if given is None else present(given, labels)

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Return a split; the other split's arrays are not read."""
        file = self._file(split)
        classes = like.classes if like else self.classes(root)
        labels = encode_labels(str(file), _labels(file, split), classes, self._given_classes())
        images = self._fitted(_images(file, split), like)
        return LabeledImages(images, labels, np.arange(len(images), dtype=np.int64))

    def counts(self, split: str, root: Path, classes: tuple[str, ...]) -> dict[str, int]:
        """Return how many labels each class has; reads the labels, and of the images how many there are."""
        file = self._file(split)
        labels = encode_labels(str(file), _labels(file, split), classes, self._given_classes())
        images = shapes_in(file).get(find_array(file, "x", split), (len(labels),))[0]
        if images != len(labels):
            raise DataError(f"npz: {split} split: {images:,} images but {len(labels):,} labels")
        return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))

    def remarks(self, root: Path) -> Sequence[str]:
        """Return which classes are left out, and which arrays for validation are not read."""
        file = self._file("train")
        names = sorted({"x_val", "X_val", "val_images"} & set(names_in(file)))
        unread = [f"{', '.join(names)} in {file} is not used: validation is carved from train"] if names else []
        given = self._given_classes() or ()
        return [*left_out(given, self.classes(root)), *unread]

    def groups(self, name: str, root: Path) -> NDArray[np.str_]:
        """Return the training file's array `name` as text."""
        return read_array(self._file("train"), name).astype(np.str_)

    def _given_classes(self) -> tuple[str, ...] | None:
        file = self._file("train")
        return tuple(map(str, read_array(file, "classes").tolist())) if "classes" in names_in(file) else None

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


def _labels(file: Path, split: str) -> NDArray[np.generic]:
    name = find_array(file, "y", split)
    labels = read_array(file, name)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "iubU":
        raise DataError(f"{file}: array {name} is {labels.dtype} {labels.shape}; labels are whole numbers or text [N]")
    if labels.dtype.kind == "u" and labels.max(initial=0) > np.iinfo(np.int64).max:
        raise DataError(f"{file}: array {name} has {labels.max()}; labels are whole numbers below 2**63")
    return labels.astype(np.int64) if labels.dtype.kind in "iub" else labels


def _images(file: Path, split: str) -> NDArray[np.uint8]:
    name = find_array(file, "x", split)
    images = read_array(file, name)
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(f"{file}: array {name} is {images.shape}; images are [N, H, W] or [N, H, W, 1 or 3]")
    whole = images.dtype.kind in "iu"
    if not whole or images.min(initial=0) < 0 or images.max(initial=0) > 255:
        raise DataError(f"{file}: array {name} is {images.dtype}; images are whole numbers 0 to 255, uint8 at best")
    return images.astype(np.uint8, copy=False)
