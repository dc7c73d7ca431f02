"""Groups of images, such as all of a patient: which group each image is of, and which of them are on both sides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts import Dataset, Frozen
from harness.data.cache import Origin, origin_of
from harness.errors import DataError
from harness.plugins import Catalog
from harness.words import amount

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN: Final = 20
"""Groups on both sides that are kept by name."""
MOST_NAMED: Final = 5
"""Of these, how many are named in a sentence."""


class SharedGroups(Frozen):
    """Which groups a test split shares with what is trained and chosen on."""

    name: str
    """What names the groups: a file, a column, an array."""
    groups: int = 0
    """How many of them are on both sides."""
    images: int = 0
    """How many test images are of these."""
    test_images: int = 0
    examples: tuple[str, ...] = ()
    """The first of them by name."""
    unknown: str = ""
    """Why the groups of test images are not known, so that nothing could be compared."""

    @property
    def words(self) -> str:
        """What is to be said of it; nothing where no group is on both sides."""
        if self.unknown:
            return f"which of the groups of {self.name} test images are of is not known: {self.unknown}"
        if not self.groups:
            return ""
        are = "is" if self.groups == 1 else "are"
        more = f" and {self.groups - MOST_NAMED:,} more" if self.groups > MOST_NAMED else ""
        return (
            f"{amount(self.groups, 'group')} of {self.name} {are} in the test split and in training too "
            f"({', '.join(self.examples[:MOST_NAMED])}{more}): {self.images:,} of {self.test_images:,} test images are "
            "of these, so test figures are too good by what is remembered of them"
        )


def groups_of(origin: Origin, dataset: Dataset, split: str, count: int | None = None) -> NDArray[np.str_] | None:
    """Return the group of each image of a split [N], None where a data set names no groups; reads no pixels.

    Raises:
        DataError: there are no groups of this name, or not so many as images (`count`).
    """
    name = dataset.grouped_by
    if name is None:
        return None
    others = () if split == "train" else (split,)  # sources of other people may know the training split alone
    groups: NDArray[np.str_] = origin.source.groups(name, origin.root, *others)
    if count is not None and len(groups) != count:
        images = "training images" if split == "train" else f"images of the {split} split"
        raise DataError(f"groups: {name} names {len(groups):,} groups for {count:,} {images}")
    return groups


def test_groups(origin: Origin, dataset: Dataset, count: int | None = None) -> tuple[NDArray[np.str_] | None, str]:
    """Return the group of each test image [N], else None and why it is not known."""
    try:
        return groups_of(origin, dataset, "test", count), ""
    except DataError as error:
        return None, str(error)
    except TypeError:  # a source that was written when groups were of training images alone
        return None, f"the source {origin.name} gives those of training images alone"


def shared_groups(dataset: Dataset, catalog: Catalog, cache: Path) -> SharedGroups | None:
    """Return which groups of a data set are in its test split and in training too; None where none are named.

    Those of an official validation split count as training: models are chosen by it. Names are read, no pixel is.

    Raises:
        DataError: the groups of training images cannot be told.
    """
    origin = origin_of(dataset, catalog, cache)
    train = groups_of(origin, dataset, "train")
    if train is None:
        return None
    if dataset.validation.split is not None:
        own = groups_of(origin, dataset, dataset.validation.split)
        train = train if own is None else np.concatenate([train, own])
    name = Path(dataset.grouped_by or "").name
    test, unknown = test_groups(origin, dataset)
    if test is None:
        return SharedGroups(name=name, unknown=unknown)
    shared = np.intersect1d(train, test)
    return SharedGroups(
        name=name,
        groups=len(shared),
        images=int(np.isin(test, shared).sum()),
        test_images=len(test),
        examples=tuple(shared[:SHOWN].tolist()),
    )
