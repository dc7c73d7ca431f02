"""The splits of a data set as Parquet files, any number a split: what the sources parquet and hub share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts import LabeledImages, Layout
from harness.data.carve import carved_test
from harness.data.decode import Wish, decode_images
from harness.data.parallel import process_count
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
from harness.data.sources._trees import contents_of, stamp_of
from harness.errors import DataError
from harness.words import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBERED: Final = re.compile(r"-(\d+)-of-(\d+)(?:-[0-9a-f]+)?\.parquet$")


@dataclass(frozen=True, slots=True)
class Carve:
    """How a test split is taken of the training files, where there is no other; whole groups of a column, if named."""

    fraction: float | None = None
    groups: str | None = None

    @property
    def text(self) -> str:
        """What tells two of them apart; nothing where none is taken."""
        return "" if self.fraction is None else f" {self.fraction} {self.groups}"


@dataclass(frozen=True, slots=True)
class Shards:
    """All that a source of Parquet files does, but for where they are: `files` gives those of a split, in order."""

    name: str
    files: Callable[[str], list[Path]]
    image_column: str | None
    label_column: str | None
    wish: Wish
    carve: Carve = Carve()

    def check(self, split: str) -> None:
        """Refuse files of a split that are no Parquet, or lack a column that the first one has."""
        files = self._files(split)
        columns = self._columns(files)
        for file in files:
            names = open_file(file).schema_arrow.names
            if lacking := [name for name in (columns.image, columns.label) if name not in names]:
                raise DataError(f"{file}: has no column {' and '.join(lacking)}, {files[0].name} has")

    def stamp(self, split: str) -> str:
        """Return a digest of the files' paths, sizes and times, and what is carved from them."""
        return stamp_of(self._files(split)) + self.carve.text

    def contents(self, split: str) -> str:
        """Return a digest of the files' bytes, in their order, and of what is carved from them."""
        return contents_of([("", file) for file in self._files(split)]) + self.carve.text

    def classes(self) -> tuple[str, ...]:
        """Return the names in the metadata of the first training file, else the label values."""
        files = self._files("train")
        label = self._columns(files).label
        declared, values = names_in_metadata(files[0], label), read_column(files, label)
        return present(declared, values) if declared else class_names(values)

    def read(self, split: str, scratch: Path, like: Layout | None) -> LabeledImages:
        """Decode a split."""
        files = self._files(split)
        columns = self._columns(files)
        labels = self._labels(split, files, columns, like.classes if like else self.classes())
        kept = self._kept(split, labels)
        chunks = chunks_of(files, columns, process_count(), kept)
        images = decode_images(f"{self.name}: {split} split", chunks, self.wish, scratch, like)
        labels = labels if kept is None else labels[kept]
        return LabeledImages(images, labels, np.arange(len(labels), dtype=np.int64))

    def names(self, split: str) -> Sequence[str]:
        """Return what the image column's field `path` holds, where every row has one."""
        files = self._files(split)
        names = read_paths(files, self._columns(files))
        if not names or self.carve.fraction is None or split == "val":
            return names
        kept = self._kept(split, self._labels(split, files, self._columns(files), self.classes()))
        return names if kept is None else [name for name, is_kept in zip(names, kept, strict=True) if is_kept]

    def counts(self, split: str, classes: tuple[str, ...]) -> dict[str, int]:
        """Return how many rows each class has; reads the label column alone."""
        files = self._files(split)
        labels = self._labels(split, files, self._columns(files), classes)
        kept = self._kept(split, labels)
        labels = labels if kept is None else labels[kept]
        return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))

    def remarks(self) -> Sequence[str]:
        """Return which declared classes are left out."""
        return left_out(self._declared(self._columns(self._files("train"))) or (), self.classes())

    def groups(self, name: str, split: str) -> NDArray[np.str_]:
        """Return the column `name` [N] of a split's files as text."""
        files = self._files(split)
        groups = read_column(files, name).astype(np.str_)
        if self.carve.fraction is None or split == "val":
            return groups
        kept = self._kept(split, self._labels(split, files, self._columns(files), self.classes()))
        return groups if kept is None else groups[kept]

    def _files(self, split: str) -> list[Path]:
        is_carved = self.carve.fraction is not None and split != "val"
        return self.files("train" if is_carved else split)

    def _kept(self, split: str, labels: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return which rows [N] are a split's, by all labels [N]; None for all of them."""
        if self.carve.fraction is None or split == "val":
            return None
        named = self.carve.groups
        groups = None if named is None else read_column(self._files("train"), named).astype(np.str_)
        kept = np.zeros(len(labels), dtype=bool)
        kept[carved_test(labels, int(labels.max(initial=0)) + 1, self.carve.fraction, groups)] = True
        return kept if split == "test" else ~kept

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


def complete(files: list[Path], otherwise: str) -> list[Path]:
    """Return the files in the order of their numbers, if all that "-I-of-N" tells of are there.

    Raises:
        DataError: there is none, or a shard is missing, or shards of two divisions lie together.
    """
    if not files:
        raise DataError(otherwise)
    told = [(int(found[1]), int(found[2])) for file in files if (found := _NUMBERED.search(file.name))]
    if not told:
        return files
    totals = {total for _, total in told}
    if len(totals) > 1 or len(told) != len(files) or len(set(told)) != len(told):
        names = listed([file.name for file in files])
        raise DataError(f"{files[0].parent}: files that are not the shards of one division:\n{names}")
    (total,) = totals
    if missing := sorted(set(range(total)) - {number for number, _ in told}):
        there = f"{len(files)} of {total} shards are there"
        lacking = ", ".join(f"{number:05}" for number in missing[:5]) + (" ..." if len(missing) > 5 else "")
        raise DataError(f"{files[0].parent}: {there}; the first is {files[0].name}, missing: {lacking}")
    return [file for _, file in sorted(zip(told, files, strict=True))]
