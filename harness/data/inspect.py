"""What is in a data set: counts, statistics, duplicates within and across splits.

This looks at the test images, through the seal's one function for that, and shows them to no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock

from harness.contracts import Dataset, Frozen, LabeledImages
from harness.data.cache import (
    Origin,
    Shades,
    digest_of,
    digest_of_text,
    known_meta,
    origin_of,
    read_images,
    read_meta,
    shades_of,
)
from harness.data.checks import check
from harness.data.groups import shared_groups
from harness.data.leakage import Leakage, comparisons, find_leakage, with_names
from harness.data.load import concatenate, image_names, task_of
from harness.data.seal import read_test_for_leakage_check
from harness.errors import DataError
from harness.files import read_sealed, write_sealed
from harness.phases import phase
from harness.plugins import Catalog
from harness.words import amount

_REVISION: Final = 2
"""Raised when what counts as a duplicate changes, so that earlier findings are not used."""


class SplitDescription(Frozen):
    """One split: images of each class, and each channel's mean and std of pixels in [0, 1]."""

    images: int
    counts: dict[str, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    minimum: int = 0
    maximum: int = 255
    shades: int = 256
    """How many different values pixels have, of those from `minimum` to `maximum`."""


class Description(Frozen):
    """A data set; `test` is None where the test split is missing or at fault, and `leakage.reason` says why."""

    name: str
    shape: tuple[int, int, int]
    """Height, width, channels."""
    fingerprint: str
    train: SplitDescription
    test: SplitDescription | None
    leakage: Leakage
    fault: str = ""
    """What is wrong with the test split, so that it cannot be opened."""
    remarks: tuple[str, ...] = ()
    """What is passed over, what is not used, what looks odd."""


def describe(dataset: Dataset, catalog: Catalog, cache: Path) -> Description:
    """Return what is in the data set's whole splits; `validation` and `limit` have no part in it.

    Raises:
        DataError: the training split is missing or at fault.
    """
    origin = origin_of(dataset, catalog, cache)
    meta = read_meta(origin, "train")
    train = _training(origin, dataset)
    checked = check(dataset, catalog, cache)
    test, reason = (None, checked.wrong) if checked.wrong else _test(dataset, catalog, cache)
    described = _describe(meta.classes, train)
    shades = Shades(minimum=described.minimum, maximum=described.maximum, shades=described.shades)
    return Description(
        name=dataset.name,
        shape=meta.shape,
        fingerprint=meta.digest,
        train=described,
        test=None if test is None else _describe(meta.classes, test),
        leakage=_complete(_leakage(cache, meta.classes, train, test, reason), dataset, catalog, cache),
        fault=checked.wrong,
        remarks=(*checked.remarks, *filter(None, [shades.remark])),
    )


def leakage(dataset: Dataset, catalog: Catalog, cache: Path) -> Leakage:
    """Return the duplicates within and across the splits; found once, then read from `cache`.

    Raises:
        DataError: the training split is missing or at fault.
    """
    origin = origin_of(dataset, catalog, cache)
    classes = read_meta(origin, "train").classes
    test, reason = _test(dataset, catalog, cache)
    found = _leakage(cache, classes, _training(origin, dataset), test, reason)
    return _complete(found, dataset, catalog, cache)


def known_copies(datasets: Iterable[Dataset], catalog: Catalog, cache: Path) -> tuple[str, ...]:
    """Return a remark for each data set of which earlier comparisons found test images in training; compares nothing.

    No pixel is read: before a test set has been opened, or `harness data` has compared it, nothing is known of it.

    Raises:
        DataError: the training split is missing or at fault.
    """
    told = []
    for dataset in {each.images: each for each in datasets}.values():
        origin = origin_of(dataset, catalog, cache)
        meta = read_meta(origin, "train")
        with suppress(DataError):  # of a test split that is not there
            test = known_meta(origin, "test", meta.layout)
            known = test and read_sealed(_place(cache, [meta.digest, test.digest]))
            told += [f"{dataset.name}: {text}" for text in _copies(known or b"")]
    return tuple(told)


def _copies(known: bytes) -> Iterator[str]:
    found = Leakage.model_validate_json(known) if known else Leakage(checked=False)
    exact, near = found.exact_across.images, found.near_across.images
    counts = [(exact, "in the training split too"), (near, "nearly like an image of the training split")]
    if told := [
        f"{amount(count, 'test image')} {'is' if count == 1 else 'are'} {what}" for count, what in counts if count
    ]:
        yield (
            f"{', '.join(told)}; test figures are too good by what is remembered of them (harness data names the first)"
        )


def _training(origin: Origin, dataset: Dataset) -> LabeledImages:
    """Return the training images, followed by the official validation images where models are chosen by those."""
    train, own = read_images(origin, "train"), dataset.validation.split
    if own is None:
        return train
    other = read_images(origin, own, read_meta(origin, "train").layout)
    return concatenate(train, replace(other, index=other.index + len(train)))


def _test(dataset: Dataset, catalog: Catalog, cache: Path) -> tuple[LabeledImages | None, str]:
    try:
        return read_test_for_leakage_check(dataset, catalog, cache), ""
    except DataError as error:
        return None, str(error)


def _complete(found: Leakage, dataset: Dataset, catalog: Catalog, cache: Path) -> Leakage:
    """Return duplicates by the names of their files, where the raw files are there, and groups on both sides."""
    train = image_names(dataset, catalog, cache, "train")
    test = image_names(dataset, catalog, cache, "test") if found.checked else ()
    shared = shared_groups(dataset, catalog, cache) if found.checked else None
    return with_names(found, train, test).model_copy(update={"groups": shared})


def _describe(classes: tuple[str, ...], images: LabeledImages) -> SplitDescription:
    task = task_of(classes, images)
    counts = np.bincount(images.labels, minlength=len(classes)).tolist()
    named = dict(zip(classes, counts, strict=True))
    return SplitDescription(
        images=len(images),
        counts=named,
        mean=task.mean,
        std=task.std,
        digest=digest_of(images, classes),
        **shades_of(images.images).model_dump(),
    )


def _place(cache: Path, compared: Sequence[str]) -> Path:
    """Return where the finding on two splits is kept, by their digests."""
    return cache / "leakage" / f"{digest_of_text(f'{_REVISION} {list(compared)}')[:16]}.json"


def _leakage(
    cache: Path, classes: tuple[str, ...], train: LabeledImages, test: LabeledImages | None, reason: str
) -> Leakage:
    compared = [digest_of(train, classes), digest_of(test, classes) if test else reason]
    found = _place(cache, compared)
    found.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{found}.lock"):
        if (known := read_sealed(found)) is not None:
            return Leakage.model_validate_json(known)
        images = len(train), len(test) if test else 0
        with phase(f"looking for duplicates among {amount(sum(images), 'image')}", comparisons(*images)):
            leaked = find_leakage(classes, train, test, reason)
        write_sealed(found, lambda file: file.write(leaked.model_dump_json(indent=1).encode()))
        return leaked
