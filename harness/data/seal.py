"""The seal: the one way to the test images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.contracts import UNKNOWN_SET, Dataset, LabeledImages, SealedSet
from harness.data.cache import digest_of_contents, known_meta, make_present, origin_of, read_images, read_meta
from harness.data.groups import test_groups
from harness.data.load import changed, limited, select
from harness.errors import DataError, HarnessError
from harness.plugins import Catalog

CHANGED_SINCE: Final = (
    "the test files have changed since they were opened: all figures are of what they held before; "
    "harness run opens what they hold now"
)


def open_test(
    dataset: Dataset,
    catalog: Catalog,
    cache: Path,
    opening: Callable[[SealedSet], None],
    planned: SealedSet = UNKNOWN_SET,
) -> LabeledImages:
    """Return the test images, once the opening is on record. Nothing that fits may call another.

    The order is the point. First the raw files are made present and compared with those that were planned, without
    decoding a pixel, so that a missing or exchanged file costs no opening. Then `opening` puts the opening in the
    ledger or refuses it. Only then are the images decoded: a crash here leaves an opening without a score, never a
    score without an opening.

    Raises:
        DataError: the test split is missing or not the planned one (before the opening), or at fault (after it).
        SealError: `opening` refused; nothing was read.
    """
    origin = origin_of(dataset, catalog, cache)
    layout = read_meta(origin, "train").layout
    make_present(origin, "test", layout)
    found = sealed_set(dataset, catalog, cache)
    if planned.is_same(found) is False:
        both = planned.fingerprint and found.fingerprint
        told = (planned.fingerprint, found.fingerprint) if both else (planned.files, found.files)
        raise DataError(changed("test", dataset, *told))
    opening(found)
    test = read_images(origin, "test", layout)
    test = replace(test, groups=test_groups(origin, dataset, len(test))[0])
    if found.fingerprint not in ("", test.fingerprint):
        raise DataError(changed("test", dataset, found.fingerprint, test.fingerprint))
    return _limited(dataset, test, len(layout.classes))


def sealed_set(dataset: Dataset, catalog: Catalog, cache: Path) -> SealedSet:
    """Return which test set a data set has now; decodes no pixel. All of it is empty where the files are not at hand.

    The bytes of the files are digested, once for as long as their stamp stays. What the images are is known of those
    that were decoded before.

    Raises:
        DataError: the training files are missing or at fault.
    """
    origin = origin_of(dataset, catalog, cache)
    layout = read_meta(origin, "train").layout
    files = present_test_files(dataset, catalog, cache)
    decoded = known_meta(origin, "test", layout) if files else None
    return SealedSet(files, decoded.digest if decoded else "")


def present_test_files(dataset: Dataset, catalog: Catalog, cache: Path) -> str:
    """Return `SealedSet.files` of what a data set's test files hold now, empty where they are not at hand."""
    try:
        return digest_of_contents(origin_of(dataset, catalog, cache), "test")
    except (HarnessError, OSError):
        return ""


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
    chosen = select(test, limited(test.labels, test.index, classes, limit), test.groups)
    return replace(chosen, fingerprint=test.fingerprint)
