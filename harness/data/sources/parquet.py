"""Parquet files with encoded images, in the layout of data set hubs or flat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from harness.contracts import MOST_MEGAPIXELS, LabeledImages, Layout, Positive, Source
from harness.data.decode import Wish
from harness.data.image_files import Reading
from harness.data.sources._layouts import split_files, validation_files
from harness.data.sources._shards import Carve, Shards, complete
from harness.data.sources._trees import Places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Parquet(Source):
    """`path` holds `train.parquet` and `test.parquet`, or shards `train-*.parquet` (also in `data/`, or `train/*`).

    Files `val*`, `valid*` or `validation*` are the official validation split. The image column is a struct with a field
    `bytes`, or binary; the label column holds whole numbers or text. Class names are those of the schema's metadata
    (key `huggingface`) that training images have, else the sorted label values. `groups` names a column.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    path: Path | None = None
    """A folder that holds `train.parquet` and `test.parquet`, or shards of both."""
    train: Path | None = None
    """A file, or a folder of shards, where the splits lie apart; with `test`, in place of `path`."""
    val: Path | None = None
    """As `train`, for the official validation split; unless given, files beside the training files."""
    test: Path | None = None
    """As `train`, for the test split; several by name, `{lab: ..., field: ...}`, are opened together."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training rows that is the test split, where there is no other; with groups, whole ones."""
    test_groups: str | None = None
    """What `test_fraction` keeps whole; unless given, the `groups` of the data set."""
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
        if self.test_fraction is not None and self.test is not None:
            raise ValueError("test_fraction divides the training rows, so test: cannot be given")
        return self

    def fetch(self, split: str, root: Path) -> None:
        """Check that the split's files are there and open as Parquet."""
        self._shards.check(split)

    def stamp(self, split: str, root: Path) -> str:
        """Return a digest of the files' paths, sizes and times."""
        return self._shards.stamp(split)

    def contents(self, split: str, root: Path) -> str:
        """Return a digest of the files' bytes, in the order of their names."""
        return self._shards.contents(split)

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the names in the metadata of the first training file, else the label values."""
        return self._shards.classes()

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Decode a split, its files in the order of their names."""
        return self._shards.read(split, scratch, like)

    def names(self, split: str, root: Path) -> Sequence[str]:
        """Return what the image column's field `path` holds, where every row has one."""
        return self._shards.names(split)

    def counts(self, split: str, root: Path, classes: tuple[str, ...]) -> dict[str, int]:
        """Return how many rows each class has; reads the label column alone."""
        return self._shards.counts(split, classes)

    def remarks(self, root: Path) -> Sequence[str]:
        """Return which declared classes are left out."""
        return self._shards.remarks()

    def groups(self, name: str, root: Path, split: str = "train") -> NDArray[np.str_]:
        """Return the column `name` [N] of a split's files as text."""
        return self._shards.groups(name, split)

    @property
    def _shards(self) -> Shards:
        wish = Wish(self.resize, self.channels, Reading(self.white, self.most_megapixels))
        carve = Carve(self.test_fraction, self.test_groups)
        return Shards("parquet", self._files, self.image_column, self.label_column, wish, carve)

    def _files(self, split: str) -> list[Path]:
        places = Places("parquet", self.path, self.train, self.val, self.test)
        own = places.own(split)
        if own is not None:
            files = sorted(own.glob("*.parquet")) if own.is_dir() else [own]
            return complete(files, f"{places.missing(split)}: no .parquet file in {own}")
        if split == "val":
            return complete(validation_files(places), "")
        shared = places.shared(split)
        wanted = f"{shared / f'{split}.parquet'} (or {split}-*.parquet)"
        return complete(split_files(shared, split), f"{places.missing(split)}: {wanted}")
