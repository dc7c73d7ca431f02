"""What fitting gets: training and validation images, their fingerprint, and the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.contracts import Cell, Dataset, LabeledImages, Splits, Task
from harness.data.cache import (
    Meta,
    Origin,
    blocks,
    digest_of_numbers,
    digest_of_text,
    origin_of,
    read_images,
    read_meta,
)
from harness.data.carve import held_out, size_of, stratified
from harness.data.groups import groups_of
from harness.errors import DataError
from harness.plugins import Catalog
from harness.seeds import seed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray


def load_splits(dataset: Dataset, catalog: Catalog, cache: Path) -> Splits:
    """Return training and validation images; the test split's files are not touched.

    The training split is decoded on first use and then read from `cache`. `limit.train` leaves that
    many training images, stratified, after the carve; validation stays whole.

    Raises:
        DataError: the training files are missing or at fault, or too few for the validation split.
    """
    origin = origin_of(dataset, catalog, cache)
    meta = read_meta(origin, "train")
    whole = read_images(origin, "train")
    groups = groups_of(origin, dataset, "train", len(whole))
    own = _own_validation(origin, dataset, meta, len(whole))
    if own is None:
        held = held_out(whole.labels, meta.classes, dataset.validation, groups)
        validation, left = select(whole, held, groups), np.setdiff1d(whole.index, held, assume_unique=True)
    else:
        validation, left = own, whole.index
    limit = dataset.limit.train if dataset.limit else None
    return Splits(
        meta.classes,
        train=select(whole, limited(whole.labels, left, len(meta.classes), limit), groups),
        validation=validation,
        fingerprint=_fingerprint(whole.fingerprint, groups, None if own is None else own.fingerprint),
        split_digest=digest_of_numbers(validation.index),
    )


def _own_validation(origin: Origin, dataset: Dataset, meta: Meta, trained: int) -> LabeledImages | None:
    """Return the official validation split, None where one is carved; its index goes on after the training images."""
    split = dataset.validation.split
    if split is None:
        return None
    found = read_images(origin, split, meta.layout)
    groups = groups_of(origin, dataset, split, len(found))
    return replace(found, index=found.index + trained, groups=groups)


def image_names(dataset: Dataset, catalog: Catalog, cache: Path, split: str) -> Sequence[str]:
    """Return what people call the images of a source's split [N], by their index; reads no pixels.

    Empty where they have no names, or the raw files are gone. Of validation images the split is "train", those of an
    official validation split come after the training images.
    """
    origin = origin_of(dataset, catalog, cache)
    own = dataset.validation.split if split == "train" else None
    try:
        names = [origin.source.names(each, origin.root) for each in (split, own) if each is not None]
    except DataError:
        return ()
    return [name for part in names for name in part] if all(names) else ()


def fingerprint(dataset: Dataset, catalog: Catalog, cache: Path) -> str:
    """Return the digest of the decoded training split: images, labels, class names (groups, official validation).

    Reads no pixels once the split is decoded. The same images give the same fingerprint wherever
    their files lie and whenever they were written.

    Raises:
        DataError: the training files are missing or at fault.
    """
    origin = origin_of(dataset, catalog, cache)
    meta = read_meta(origin, "train")
    groups, own = groups_of(origin, dataset, "train", sum(meta.counts)), dataset.validation.split
    return _fingerprint(meta.digest, groups, None if own is None else read_meta(origin, own, meta.layout).digest)


def class_names(dataset: Dataset, catalog: Catalog, cache: Path) -> tuple[str, ...]:
    """Return the names of a data set's classes; reads no pixels once its training split is decoded.

    Raises:
        DataError: the training files are missing or at fault.
    """
    return read_meta(origin_of(dataset, catalog, cache), "train").classes


def fitted_on(cell: Cell, catalog: Catalog, cache: Path) -> int | None:
    """Return how many images a cell is fitted on, None where that depends on the sizes of groups; reads no pixels.

    Raises:
        DataError: the training files are missing or at fault.
    """
    dataset = cell.dataset
    origin, own = origin_of(dataset, catalog, cache), dataset.validation.split
    meta = read_meta(origin, "train")
    total = sum(meta.counts)
    if own is None and dataset.grouped_by is not None:
        return None
    held = size_of(dataset.validation, total) if own is None else sum(read_meta(origin, own, meta.layout).counts)
    left = total - held if own is None else total
    limit = dataset.limit.train if dataset.limit else None
    left = left if limit is None else min(limit, left)
    return left + held if cell.train_on == "train+val" else left


def changed(split: str, dataset: Dataset, planned: str, found: str) -> str:
    """Return what is to be said of a split that is not the one that was planned."""
    single = dataset.test_sets.values() if split == "test" else (dataset,)
    named = (str(each) for one in single for name, each in one.options.items() if name in {"path", split})
    where = ", ".join(dict.fromkeys(named))
    return (
        f"the {split} images of {dataset.name}{f' ({where})' if where else ''} have changed since the plan was made: "
        f"planned were those with digest {planned}, found were those with digest {found}; run again to plan with "
        "what is there now, or put the files back"
    )


def task_of(classes: tuple[str, ...], images: LabeledImages) -> Task:
    """Return the task with each channel's mean and (population) standard deviation, exact.

    Sums are of whole numbers, so they do not depend on how the images are cut into chunks.
    """
    height, width, channels = images.images.shape[1:]
    sums = [0] * channels
    squares = [0] * channels
    for block in blocks(images.images):
        pixels = block.reshape(-1, channels).astype(np.float64)
        for channel in range(channels):
            values = pixels[:, channel]
            sums[channel] += int(values.sum())  # below 2**53, so floats count exactly
            squares[channel] += int(values @ values)
    count = len(images) * height * width
    mean = tuple(total / count / 255 for total in sums)
    variance = ((count * square - total * total) / count**2 for total, square in zip(sums, squares, strict=True))
    return Task(classes, (height, width, channels), mean, tuple(sqrt(value) / 255 for value in variance))


def concatenate(first: LabeledImages, second: LabeledImages) -> LabeledImages:
    """Return both as one, in the order of their index; `train+val` is fitted on this."""
    order = np.argsort(np.concatenate([first.index, second.index]), kind="stable")
    both = None if first.groups is None or second.groups is None else np.concatenate([first.groups, second.groups])
    return LabeledImages(
        np.concatenate([first.images, second.images])[order],
        np.concatenate([first.labels, second.labels])[order],
        np.concatenate([first.index, second.index])[order],
        None if both is None else both[order],
    )


def select(
    images: LabeledImages, positions: NDArray[np.int64], groups: NDArray[np.str_] | None = None
) -> LabeledImages:
    """Return a copy of the images at these positions [M]; `groups` [N] are of all images."""
    return LabeledImages(
        np.asarray(images.images[positions]),
        np.asarray(images.labels[positions]),
        images.index[positions],
        None if groups is None else groups[positions],
    )


def limited(
    labels: NDArray[np.int64], positions: NDArray[np.int64], classes: int, limit: int | None
) -> NDArray[np.int64]:
    """Return at most `limit` of the positions [M], ascending and stratified by labels [N]; always the same ones."""
    if limit is None or limit >= len(positions):
        return positions
    random = np.random.default_rng(seed_for(0, "limit"))
    return np.sort(positions[stratified(labels[positions], classes, limit, random)])


def _fingerprint(digest: str, groups: NDArray[np.str_] | None, validation: str | None) -> str:
    """Groups decide who is held out, and other validation images choose other models, so both are other data."""
    if validation is not None:
        digest = digest_of_text("\0".join(["val", digest, validation]))
    if groups is None:
        return digest
    return digest_of_text("\0".join([digest, *groups.tolist()]))
