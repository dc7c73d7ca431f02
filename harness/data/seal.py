"""The seal: the one way to the test images."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.contracts import UNKNOWN_SET, Dataset, LabeledImages, SealedSet
from harness.data.cache import (
    digest_of_contents,
    digest_of_text,
    known_meta,
    make_present,
    origin_of,
    read_images,
    read_meta,
)
from harness.data.groups import test_groups
from harness.data.load import changed, limited, select
from harness.errors import DataError, HarnessError
from harness.plugins import Catalog

CHANGED_SINCE: Final = (
    "the test files have changed since they were opened: all figures are of what they held before; "
    "harness run opens what they hold now"
)


def open_tests(
    dataset: Dataset,
    catalog: Catalog,
    cache: Path,
    opening: Callable[[SealedSet], None],
    planned: SealedSet = UNKNOWN_SET,
) -> Mapping[str, LabeledImages]:
    """Return the test images by split (`Dataset.test_splits`), once their opening is on record.

    Nothing that fits may call another. The order is the point. First the raw files of all test sets are made present
    and compared with those that were planned, without decoding a pixel, so that a missing or exchanged file costs no
    opening. Then `opening` puts the one opening of all in the ledger or refuses it. Only then are the images decoded: a
    crash here leaves an opening without a score, never a score without an opening.

    Raises:
        DataError: a test split is missing or not the planned one (before the opening), or at fault (after it).
        SealError: `opening` refused; nothing was read.
    """
    origins = {split: origin_of(each, catalog, cache) for split, each in dataset.test_splits.items()}
    layout = read_meta(origin_of(dataset, catalog, cache), "train").layout
    for origin in origins.values():
        make_present(origin, "test", layout)
    known = sealed_sets(dataset, catalog, cache)
    found = together(known)
    if planned.is_same(found) is False:
        both = planned.fingerprint and found.fingerprint
        told = (planned.fingerprint, found.fingerprint) if both else (planned.files, found.files)
        raise DataError(changed("test", dataset, *told))
    opening(found)
    opened = {}
    for split, alone in dataset.test_splits.items():
        test = read_images(origins[split], "test", layout)
        test = replace(test, groups=test_groups(origins[split], alone, len(test))[0])
        if known[split].fingerprint not in ("", test.fingerprint):
            raise DataError(changed("test", alone, known[split].fingerprint, test.fingerprint))
        opened[split] = _limited(alone, test, len(layout.classes))
    return opened


def open_test(
    dataset: Dataset,
    catalog: Catalog,
    cache: Path,
    opening: Callable[[SealedSet], None],
    planned: SealedSet = UNKNOWN_SET,
) -> LabeledImages:
    """Return what `open_tests` does of a data set with one test set."""
    return open_tests(dataset, catalog, cache, opening, planned)["test"]


def sealed_sets(dataset: Dataset, catalog: Catalog, cache: Path) -> Mapping[str, SealedSet]:
    """Return by split which test sets a data set has now; decodes no pixel. Empty where the files are not at hand.

    The bytes of the files are digested, once for as long as their stamp stays. What the images are is known of those
    that were decoded before.

    Raises:
        DataError: the training files are missing or at fault.
    """
    layout = read_meta(origin_of(dataset, catalog, cache), "train").layout
    found = {}
    for split, each in dataset.test_splits.items():
        files = present_test_files(each, catalog, cache)
        decoded = known_meta(origin_of(each, catalog, cache), "test", layout) if files else None
        found[split] = SealedSet(files, decoded.digest if decoded else "")
    return found


def sealed_set(dataset: Dataset, catalog: Catalog, cache: Path) -> SealedSet:
    """Return `sealed_sets` as the one that is opened.

    Raises:
        DataError: the training files are missing or at fault.
    """
    return together(sealed_sets(dataset, catalog, cache))


def together(sets: Mapping[str, SealedSet]) -> SealedSet:
    """Return the test sets of one data set, by split, as one that is opened: one alone, or a digest over all.

    What is unknown of one is unknown of all.
    """
    if len(sets) == 1:
        return next(iter(sets.values()))
    files = {split: each.files for split, each in sets.items()}
    fingerprints = {split: each.fingerprint for split, each in sets.items()}
    return SealedSet(
        *(digest_of_text(json.dumps(each)) if all(each.values()) else "" for each in (files, fingerprints))
    )


def present_test_files(dataset: Dataset, catalog: Catalog, cache: Path) -> str:
    """Return `SealedSet.files` of what a data set's test files hold now, empty where they are not all at hand."""
    try:
        alone = {split: origin_of(each, catalog, cache) for split, each in dataset.test_splits.items()}
        held = {split: SealedSet(digest_of_contents(origin, "test")) for split, origin in alone.items()}
    except (HarnessError, OSError):
        return ""
    return together(held).files


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
