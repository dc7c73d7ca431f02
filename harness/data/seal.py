"""The seal: the one way to the test images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.contracts import Dataset, LabeledImages
from harness.data.cache import make_present, origin_of, read_images, read_meta
from harness.data.load import limited, select
from harness.plugins import Catalog


def open_test(dataset: Dataset, catalog: Catalog, cache: Path, opening: Callable[[], None]) -> LabeledImages:
    """Return the test images, once the opening is on record. Nothing that fits may call another.

    The order is the point. First the raw files are made present, without reading a pixel, so that a
    missing file costs no opening. Then `opening` puts the opening in the ledger or refuses it. Only
    then are the images decoded: a crash here leaves an opening without a score, never a score
    without an opening.

    Raises:
        DataError: the test split is missing (before the opening) or at fault (after it).
        SealError: `opening` refused; nothing was read.
    """
    origin = origin_of(dataset, catalog, cache)
    layout = read_meta(origin, "train").layout
    make_present(origin, "test", layout)
    opening()
    return _limited(dataset, read_images(origin, "test", layout), len(layout.classes))


def read_test_for_leakage_check(dataset: Dataset, catalog: Catalog, cache: Path) -> LabeledImages:
    """Return all test images to be compared with the training images; they are shown to no model.

    `harness.data.inspect` alone calls this: it counts duplicates across splits, which cannot be
    known without looking at both.

    Raises:
        DataError: the test split is missing or at fault.
    """
    origin = origin_of(dataset, catalog, cache)
    layout = read_meta(origin, "train").layout
    return read_images(origin, "test", layout)


def _limited(dataset: Dataset, test: LabeledImages, classes: int) -> LabeledImages:
    limit = dataset.limit.test if dataset.limit else None
    if limit is None or limit >= len(test):
        return test
    return select(test, limited(test.labels, test.index, classes, limit))
