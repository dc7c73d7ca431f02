"""NumPy archives of images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from harness.contracts import LabeledImages, Layout, Positive, Source
from harness.data.carve import carved_test
from harness.data.image_files import fitted
from harness.data.sources._arrays import NAMES, find_array, names_in, read_array, shapes_in
from harness.data.sources._tables import class_names, encode_labels, left_out, present
from harness.data.sources._trees import Places, contents_of, stamp_of
from harness.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Npz(Source):
    """`path` is one file with `x_train`, `y_train`, `x_test`, `y_test`; or `train` and `test` with `x`, `y`.

    Also `X_train` and so on, and, as MedMNIST has it, `train_images`, `train_labels`; `x_val` or `val_images` are the
    official validation split. Images are whole numbers 0 to 255, [N, H, W] or
    [N, H, W, C]; labels whole numbers or text. An array `classes` names the classes that the labels count through;
    without it they are the sorted label values. `groups` names an array with a group for each training image; that
    of another split has the split's name in place of `train`, or after it (`site_train`, `site_test`; `site`,
    `site_test`). An array of over 256 MB may unpack to at most a hundred times its size in the file.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    path: Path | None = None
    """A file that holds the arrays of both splits."""
    train: Path | None = None
    """A file with the training arrays, where the splits lie apart; with `test`, in place of `path`."""
    val: Path | None = None
    """As `train`, for the official validation split; unless given, the file of the training arrays."""
    test: Path | None = None
    """As `train`, for the test split; several by name, `{lab: ..., field: ...}`, are opened together."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the images that is the test split, where there is no other; with groups, whole ones."""
    test_groups: str | None = None
    """What `test_fraction` keeps whole; unless given, the `groups` of the data set."""
    resize: Positive | tuple[Positive, Positive] | None = None
    """Side, or height and width."""
    channels: Literal["auto", 1, 3] = "auto"
    """auto: as the training array has them."""

    @model_validator(mode="after")
    def _named(self) -> Npz:
        if self.path is None and self.train is None:
            raise ValueError("give path: (a file with both splits), or train: and test:")
        if self.test_fraction is not None and self.test is not None:
            raise ValueError("test_fraction divides the training images, so test: cannot be given")
        return self

    def fetch(self, split: str, root: Path) -> None:
        """Check that the split's arrays are there; reads the archive's directory alone."""
        for axis in NAMES:
            self._name(axis, split)
        if self.test_fraction is not None and split == "test" and self._has_test():
            raise DataError(f"npz: {self._file('train')} has a test split of its own; leave test_fraction out")

    def stamp(self, split: str, root: Path) -> str:
        """Return a digest of the file's path, size and time, and what is carved from it."""
        return stamp_of([self._file(split)]) + self._carve

    def contents(self, split: str, root: Path) -> str:
        """Return a digest of the file's bytes."""
        return contents_of([("", self._file(split))]) + self._carve

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the array `classes`, or the sorted values of the training labels."""
        labels = _labels(self._file("train"), self._name("y", "train"))
        given = self._given_classes()
        return class_names(labels) if given is None else present(given, labels)

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Return a split; the other split's arrays are not read."""
        labels = self._encoded(split, like.classes if like else self.classes(root))
        images = _images(self._file(split), self._name("x", split))
        if len(images) != len(labels):
            raise DataError(f"npz: {split} split: {len(images):,} images but {len(labels):,} labels")
        side = self._side(split, labels)
        images = self._fitted(images[side], like)
        return LabeledImages(images, labels[side], np.arange(len(images), dtype=np.int64))

    def counts(self, split: str, root: Path, classes: tuple[str, ...]) -> dict[str, int]:
        """Return how many labels each class has; reads the labels, and of the images how many there are."""
        labels = self._encoded(split, classes)
        images = shapes_in(self._file(split)).get(self._name("x", split), (len(labels),))[0]
        if images != len(labels):
            raise DataError(f"npz: {split} split: {images:,} images but {len(labels):,} labels")
        labels = labels[self._side(split, labels)]
        return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))

    def remarks(self, root: Path) -> Sequence[str]:
        """Return which classes are left out."""
        return left_out(self._given_classes() or (), self.classes(root))

    def groups(self, name: str, root: Path, split: str = "train") -> NDArray[np.str_]:
        """Return the array `name` as text, of another split than train the one that is called after it."""
        groups = self._group_array(name, split)
        if self.test_fraction is None or split == "val":
            return groups
        return groups[self._side(split, self._encoded(split, self.classes(root)))]

    def _group_array(self, name: str, split: str) -> NDArray[np.str_]:
        file = self._file(split)
        if split != "train" and file == self._file("train") and not self._is_carved(split):
            name = name.replace("train", split) if "train" in name else f"{name}_{split}"
        return read_array(file, name).astype(np.str_)

    @property
    def _carve(self) -> str:
        """What says of a test set that is a part of a file which part it is."""
        return "" if self.test_fraction is None else f" {self.test_fraction} {self.test_groups}"

    def _is_carved(self, split: str) -> bool:
        return self.test_fraction is not None and split != "val"

    def _has_test(self) -> bool:
        names = names_in(self._file("train"))
        return any(pattern.format("test") in names for pattern in NAMES["x"][:-2])

    def _side(self, split: str, labels: NDArray[np.int64]) -> NDArray[np.int64] | slice:
        """Return which of the images in the split's arrays are the split's, by all labels [N]."""
        if self.test_fraction is None or split == "val":
            return slice(None)
        groups = self.test_groups and self._group_array(self.test_groups, "train")
        classes = int(labels.max(initial=0)) + 1
        test = carved_test(labels, classes, self.test_fraction, groups if isinstance(groups, np.ndarray) else None)
        return test if split == "test" else np.setdiff1d(np.arange(len(labels)), test)

    def _encoded(self, split: str, classes: tuple[str, ...]) -> NDArray[np.int64]:
        file = self._file(split)
        return encode_labels(str(file), _labels(file, self._name("y", split)), classes, self._given_classes())

    def _name(self, axis: str, split: str) -> str:
        """Return what the array of a split's images (x) or labels (y) is called."""
        if self._is_carved(split):
            split = "train"
        alone = {"train": self.train, "val": self.val, "test": self.test}[split] is not None
        return find_array(self._file(split), axis, split, is_only=alone)

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
        places = Places("npz", self.path, self.train, self.val, self.test)
        if self._is_carved(split) or (split == "val" and self.val is None and self.train is not None):
            split = "train"
        return places.own(split) or places.shared(split)


def _labels(file: Path, name: str) -> NDArray[np.generic]:
    labels = read_array(file, name)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "iubU":
        raise DataError(f"{file}: array {name} is {labels.dtype} {labels.shape}; labels are whole numbers or text [N]")
    if labels.dtype.kind == "u" and labels.max(initial=0) > np.iinfo(np.int64).max:
        raise DataError(f"{file}: array {name} has {labels.max()}; labels are whole numbers below 2**63")
    return labels.astype(np.int64) if labels.dtype.kind in "iub" else labels


def _images(file: Path, name: str) -> NDArray[np.uint8]:
    images = read_array(file, name)
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(f"{file}: array {name} is {images.shape}; images are [N, H, W] or [N, H, W, 1 or 3]")
    whole = images.dtype.kind in "iu"
    if not whole or images.min(initial=0) < 0 or images.max(initial=0) > 255:
        raise DataError(f"{file}: array {name} is {images.dtype}; images are whole numbers 0 to 255, uint8 at best")
    return images.astype(np.uint8, copy=False)
