"""Parquet files with encoded images, in the layout of data set hubs or flat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import model_validator

from harness.contracts import MOST_MEGAPIXELS, LabeledImages, Layout, Positive, Source
from harness.data.decode import Wish, decode_images
from harness.data.image_files import Reading
from harness.data.parallel import process_count
from harness.data.sources._layouts import unused
from harness.data.sources._tables import (
    Columns,
    chunks_of,
    class_names,
    encode_labels,
    find_columns,
    left_out,
    names_in_metadata,
    open_file,
    present,
    read_column,
    read_paths,
)
from harness.data.sources._trees import Places, contents_of, stamp_of
from harness.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Parquet(Source):
    """`path` holds `train.parquet` and `test.parquet`, or shards `train-*.parquet` (also in `data/`).

    The image column is a struct with a field `bytes`, or binary; the label column holds whole
    numbers or text. Class names are those of the schema's metadata (key `huggingface`) that training images have, else
    the sorted label values. `validation.groups` names a column.
    """

    path: Path | None = None
    """A folder that holds `train.parquet` and `test.parquet`, or shards of both."""
    train: Path | None = None
    """A file, or a folder of shards, where the splits lie apart; with `test`, in place of `path`."""
    test: Path | None = None
    """As `train`, for the test split."""
    image_column: str | None = None
    """Where several columns could hold the images."""
    label_column: str | None = None
    """Where several columns could hold the labels."""
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
    def _named(self) -> Parquet:
        if self.path is None and self.train is None:
            raise ValueError("give path: (a folder with both splits), or train: and test:")
        return self

    def fetch(self, split: str, root: Path) -> None:
        """Check that the split's files are there and open as Parquet."""
        for file in self._files(split):
            open_file(file)

    def stamp(self, split: str, root: Path) -> str:
        """Return a digest of the files' paths, sizes and times."""
        return stamp_of(self._files(split))

    def contents(self, split: str, root: Path) -> str:
        """Return a digest of the files' bytes, in the order of their names."""
        return contents_of([("", file) for file in self._files(split)])

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the names in the metadata of the first training file, else the label values."""
        files = self._files("train")
        label = self._columns(files).label
        declared, values = names_in_metadata(files[0], label), read_column(files, label)
        return present(declared, values) if declared else class_names(values)

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Decode a split, its files in the order of their names."""
        files = self._files(split)
        columns = self._columns(files)
        labels = self._labels(split, files, columns, like.classes if like else self.classes(root))
        chunks = chunks_of(files, columns, process_count())
        wish = Wish(self.resize, self.channels, Reading(self.white, self.most_megapixels))
        images = decode_images(f"parquet: {split} split", chunks, wish, scratch, like)
        return LabeledImages(images, labels, np.arange(len(labels), dtype=np.int64))

    def names(self, split: str, root: Path) -> Sequence[str]:
        """Return what the image column's field `path` holds, where every row has one."""
        files = self._files(split)
        return read_paths(files, self._columns(files))

    def counts(self, split: str, root: Path, classes: tuple[str, ...]) -> dict[str, int]:
        """Return how many rows each class has; reads the label column alone."""
        files = self._files(split)
        labels = self._labels(split, files, self._columns(files), classes)
        return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))

    def remarks(self, root: Path) -> Sequence[str]:
        """Return which declared classes are left out, and which files for validation are not read."""
        files = self._files("train")
        declared = self._declared(self._columns(files)) or ()
        above = files[0].parent if self.path is None else self.path
        return [*left_out(declared, self.classes(root)), *unused(above)]

    def groups(self, name: str, root: Path) -> NDArray[np.str_]:
        """Return the column `name` [N] of the training files as text."""
        return read_column(self._files("train"), name).astype(np.str_)

    def _labels(self, split: str, files: list[Path], columns: Columns, classes: tuple[str, ...]) -> NDArray[np.int64]:
        names, declared = names_in_metadata(files[0], columns.label), self._declared(columns)
        if names is not None and declared is not None and names != declared:
            known = ", ".join(declared)
            raise DataError(f"{files[0]}: its classes are {', '.join(names)}; the training files' {known}")
        values = read_column(files, columns.label)
        return encode_labels(str(files[0].parent / split), values, classes, declared or names)

    def _declared(self, columns: Columns) -> tuple[str, ...] | None:
        return names_in_metadata(self._files("train")[0], columns.label)

    def _columns(self, files: list[Path]) -> Columns:
        return find_columns(files[0], self.image_column, self.label_column)

    def _files(self, split: str) -> list[Path]:
        places = Places("parquet", self.path, self.train, self.test)
        own = places.own(split)
        if own is not None:
            files = sorted(own.glob("*.parquet")) if own.is_dir() else [own]
            return _complete(files, f"{places.missing(split)}: no .parquet file in {own}")
        shared = places.shared(split)
        whole = shared / f"{split}.parquet"
        if whole.exists():
            return [whole]
        shards = sorted([*shared.glob(f"{split}-*.parquet"), *shared.glob(f"data/{split}-*.parquet")])
        return _complete(shards, f"{places.missing(split)}: {whole} (or {split}-*.parquet)")


def _complete(files: list[Path], otherwise: str) -> list[Path]:
    """Return the files; raises DataError when there is none, or a shard "-I-of-N" is missing."""
    if not files:
        raise DataError(otherwise)
    told = re.search(r"-\d+-of-(\d+)\.parquet$", files[0].name)
    if told and int(told[1]) != len(files):
        there = f"{len(files)} of {int(told[1])} shards are there"
        raise DataError(f"{files[0].parent}: {there}; the first is {files[0].name}")
    return files
