"""Image files in folders, a folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from harness.contracts import MOST_MEGAPIXELS, LabeledImages, Layout, Positive, Source
from harness.data.decode import Wish, decode_images
from harness.data.image_files import Reading
from harness.data.parallel import process_count
from harness.data.sources._labels import labeled
from harness.data.sources._layouts import advice, split_folders, validation_folder
from harness.data.sources._trees import (
    Places,
    Tree,
    chunks_of,
    contents_of,
    divide,
    like_train,
    read_group_file,
    scan,
    stamp_of_tree,
)
from harness.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ImageFolder(Source):
    """`path` holds `train/` and `test/` with a folder a class, or (with `test_fraction`) the class folders.

    With `labels` images lie in folders as they like, and a table says which class each is of. Classes are sorted by
    name; images lie at any depth below their class. `groups` names a text file with lines `image path,group`. A folder
    `val`, `valid` or `validation` is the official validation split.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    path: Path | None = None
    """A folder that holds `train/` and `test/`, or the class folders of one tree."""
    train: Path | None = None
    """A folder with a folder a class, where the splits lie apart; with `test`, in place of `path`."""
    val: Path | None = None
    """As `train`, for the official validation split; unless given, a folder beside the training images'."""
    test: Path | None = None
    """As `train`, for the test split; several by name, `{lab: ..., field: ...}`, are opened together."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of each class that is the test split, where `path` has no train and test folders; with groups, whole
    ones."""
    test_groups: str | None = None
    """What `test_fraction` keeps whole; unless given, the `groups` of the data set."""
    labels: str | None = None
    """A table (CSV) of image files and their classes, in place of a folder a class: beside the matrix file, in the
    images' folder or in `path`."""
    image_column: str | None = None
    """The table's column of files, where it is not called as usual (file, filename, image, path ...)."""
    label_column: str | None = None
    """The table's column of classes, where it is not called as usual (label, class, category ...)."""
    resize: Positive | tuple[Positive, Positive] | None = None
    """Side, or height and width."""
    channels: Literal["auto", 1, 3] = "auto"
    """auto: 1 where all training images are gray, else 3."""
    white: Positive | None = None
    """The value that becomes 255 in gray images of more than 8 bits, such as 4095 for 12 bits in use; else what the
    files can hold."""
    most_megapixels: Positive = MOST_MEGAPIXELS
    """Images of more million pixels are refused, for a small file can fill any memory."""

    @model_validator(mode="after")
    def _named(self) -> ImageFolder:
        if self.path is None and self.train is None:
            raise ValueError("give path: (a folder with both splits), or train: and test:")
        if self.test_fraction is not None and (self.train is not None or self.test is not None):
            raise ValueError("test_fraction divides the one tree at path:, so train: and test: cannot be given")
        if self.labels is None and (self.image_column is not None or self.label_column is not None):
            raise ValueError("image_column and label_column are of a table: give labels, too")
        return self

    def fetch(self, split: str, root: Path) -> None:
        """Check that the split's folder is there, with images in each class."""
        self._tree(split)

    def stamp(self, split: str, root: Path) -> str:
        """Return a digest of the names, sizes and times of the split's files."""
        return stamp_of_tree(self._tree(split))

    def contents(self, split: str, root: Path) -> str:
        """Return a digest of the split's files: names below its folder, and bytes."""
        tree = self._tree(split)
        return contents_of((path, tree.folder / path) for path in tree.paths)

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the names of the training split's class folders."""
        return self._tree("train").classes

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Decode a split, class by class, files sorted by path."""
        tree = self._tree(split) if like is None else like_train(self._tree(split), like.classes, split)
        chunks = chunks_of(tree, process_count())
        images = decode_images(
            str(tree.folder),
            chunks,
            Wish(self.resize, self.channels, Reading(self.white, self.most_megapixels)),
            scratch,
            like,
        )
        labels = np.array(tree.labels, dtype=np.int64)
        return LabeledImages(images, labels, np.arange(len(labels), dtype=np.int64))

    def names(self, split: str, root: Path) -> Sequence[str]:
        """Return the files below `path`, below the split's folder where it is given by itself."""
        tree = self._tree(split) if split == "train" else like_train(self._tree(split), self.classes(root), split)
        is_below = self.path is not None and tree.folder.is_relative_to(self.path)
        folder = (
            f"{tree.folder.relative_to(self.path).as_posix()}/" if is_below and self.path else f"{tree.folder.name}/"
        )
        return [f"{folder.removeprefix('./')}{path}" for path in tree.paths]

    def groups(self, name: str, root: Path, split: str = "train") -> NDArray[np.str_]:
        """Return the groups [N] that the text file `name` gives (relative to the split's folder or `path`).

        Files of two splits may have one path below their folders; without `test/` before it, it is a training image's.
        """
        tree = self._tree(split) if split == "train" else like_train(self._tree(split), self.classes(root), split)
        file, paths = self._beside(tree.folder, name), tree.paths
        if split != "train" and self.test_fraction is None and not file.is_relative_to(tree.folder):
            trained = set(self._tree("train").paths)
            paths = [f"{tree.folder.name}/{path}" if path in trained else path for path in paths]
        return read_group_file(file, paths, (tree.folder.name, split))

    def counts(self, split: str, root: Path, classes: tuple[str, ...]) -> dict[str, int]:
        """Return how many files each class has."""
        tree = self._tree(split) if split == "train" else like_train(self._tree(split), classes, split)
        return {name: len(files) for name, files in tree.files.items()}

    def remarks(self, root: Path) -> Sequence[str]:
        """Return what is passed over in the training folder."""
        tree = self._tree("train")
        names = [f"{name}{f' ({count:,})' if count > 1 else ''}" for name, count in sorted(tree.passed_over.items())]
        return [f"passed over in {tree.folder}: {', '.join(names)}"] if names else []

    def _beside(self, folder: Path, name: str) -> Path:
        """Return a file that is named, in a folder of images, in `path`, or as it is."""
        places = [each / name for each in (folder, self.path) if each is not None]
        return next((place for place in places if place.is_file()), Path(name))

    def _scan(self, folder: Path) -> Tree:
        if self.labels is None:
            return scan(folder)
        return labeled(folder, self._beside(folder, self.labels), self.image_column, self.label_column)

    def _tree(self, split: str) -> Tree:
        places = Places("image_folder", self.path, self.train, self.val, self.test)
        own = places.own(split)
        if own is not None:
            return self._scan(own)
        if split == "val":
            return self._scan(validation_folder(places, self.test))
        shared = places.shared(split)
        halves = [name for name in ("train", "test") if (shared / name).is_dir()]
        if self.test_fraction is not None:
            if halves:
                raise DataError(f"{shared} has {' and '.join(halves)}; test_fraction is for one tree without them")
            if len(split_folders(shared)) > 1:
                named = ", ".join(each.name for each in split_folders(shared).values())
                raise DataError(f"{shared}: {named} are splits and no classes{advice(shared, 'train')}")
            tree = self._scan(shared)
            if self.test_groups is None:
                return divide(tree, self.test_fraction, split)
            file = self._beside(shared, self.test_groups)
            return divide(tree, self.test_fraction, split, read_group_file(file, tree.paths, (shared.name,)))
        if split not in halves:
            raise DataError(f"{places.missing(split)}: {shared / split}{advice(shared, split)}")
        return self._scan(shared / split)
