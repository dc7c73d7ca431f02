"""Label values as they stand in a file -> class names and labels from 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from filelock import FileLock
from PIL import Image

from harness.contracts import Dataset, Frozen, LabeledImages
from harness.data.cache import Origin, digest_of, digest_of_text, origin_of, read_images, read_meta
from harness.data.decode import UnreadableImageError, read_header, read_pixels
from harness.data.leakage import Leakage, find_leakage, with_names
from harness.data.load import task_of
from harness.data.seal import read_test_for_leakage_check
from harness.errors import DataError
from harness.plugins import Catalog
from harness.words import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


def class_names(values: NDArray[np.generic]) -> tuple[str, ...]:
    """Return the distinct label values, sorted as numbers or as text, as class names."""
    return tuple(str(value) for value in np.unique(values).tolist())


def encode_labels(
    where: str, values: NDArray[np.generic], classes: Sequence[str], are_positions: bool
) -> NDArray[np.int64]:
    """Return labels int64 [N] for label values.

    Args:
        where: the file, for messages.
        values: whole numbers or text [N].
        classes: the names of all classes.
        are_positions: whether whole numbers are positions in `classes`; otherwise, and for text,
            they are looked up by name.

    Raises:
        DataError: naming the rows whose value is no class.
    """
    if are_positions and np.issubdtype(values.dtype, np.integer):
        labels = values.astype(np.int64)
        unknown = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    else:
        distinct, positions = np.unique(values, return_inverse=True)
        known = {name: label for label, name in enumerate(classes)}
        labels = np.array([known.get(str(value), -1) for value in distinct.tolist()], dtype=np.int64)[positions]
        unknown = np.flatnonzero(labels < 0)
    if len(unknown):
        rows = [f"row {row}: {values[row]}" for row in unknown]
        raise DataError(
            f"{where}: labels that are no class ({len(unknown):,}); there are {len(classes)} classes, "
            f"{_shown(classes)}\n{listed(rows)}"
        )
    return labels


def _shown(classes: Sequence[str]) -> str:
    return ", ".join(classes) if len(classes) <= 10 else f"{classes[0]} to {classes[-1]}"


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file as uint8 [H, W, C] of the asked shape, and the height and width that it had."""

    path: Path
    pixels: NDArray[np.uint8]
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is no usable image, and why."""

    path: Path
    reason: str


def read_picture(path: Path, shape: tuple[int, int, int]) -> Picture | Unreadable:
    """Return an image file decoded and resized as images of a data set are; see `harness.data.decode`."""
    try:
        with path.open("rb") as file:
            header = read_header(file)
            file.seek(0)
            return Picture(path, read_pixels(file, shape), (header.height, header.width))
    except UnreadableImageError as error:
        return Unreadable(path, str(error))
    except OSError as error:
        return Unreadable(path, error.strerror or str(error))


def files_below(paths: Iterable[Path]) -> Iterator[Path | Unreadable]:
    """Yield the given files, and in place of a folder the image files at any depth below it, sorted.

    In a folder a file counts as an image by its name's ending; a file that is named is taken at its word.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
        found = sorted(each for each in path.rglob("*") if each.suffix.lower() in endings and _is_shown(each, path))
        if not found:
            yield Unreadable(path, "there is no image file in this folder")
        yield from found


def _is_shown(path: Path, below: Path) -> bool:
    """Whether it is a file, not hidden and in no hidden folder."""
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(below).parts)


_REVISION: Final = 1
"""Raised when what counts as a duplicate changes, so that earlier findings are not used."""


class SplitDescription(Frozen):
    """One split: images of each class, and each channel's mean and std of pixels in [0, 1]."""

    images: int
    counts: dict[str, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str


class Description(Frozen):
    """A data set; `test` is None where the test split is missing or at fault, and `leakage.reason` says why."""

    name: str
    shape: tuple[int, int, int]
    """Height, width, channels."""
    fingerprint: str
    train: SplitDescription
    test: SplitDescription | None
    leakage: Leakage


def describe(dataset: Dataset, catalog: Catalog, cache: Path) -> Description:
    """Return what is in the data set's whole splits; `validation` and `limit` have no part in it.

    Raises:
        DataError: the training split is missing or at fault.
    """
    origin = origin_of(dataset, catalog, cache)
    meta = read_meta(origin, "train")
    train = read_images(origin, "train")
    test, reason = _test(dataset, catalog, cache)
    return Description(
        name=dataset.name,
        shape=meta.shape,
        fingerprint=meta.digest,
        train=_describe(meta.classes, train),
        test=None if test is None else _describe(meta.classes, test),
        leakage=_named(_leakage(cache, meta.classes, train, test, reason), origin),
    )


def leakage(dataset: Dataset, catalog: Catalog, cache: Path) -> Leakage:
    """Return the duplicates within and across the splits; found once, then read from `cache`.

    Raises:
        DataError: the training split is missing or at fault.
    """
    origin = origin_of(dataset, catalog, cache)
    classes = read_meta(origin, "train").classes
    test, reason = _test(dataset, catalog, cache)
    return _named(_leakage(cache, classes, read_images(origin, "train"), test, reason), origin)


def _test(dataset: Dataset, catalog: Catalog, cache: Path) -> tuple[LabeledImages | None, str]:
    try:
        return read_test_for_leakage_check(dataset, catalog, cache), ""
    except DataError as error:
        return None, str(error)


def _named(found: Leakage, origin: Origin) -> Leakage:
    """Return the duplicates by the names of their files, without them where the raw files are gone."""
    try:
        train = origin.source.names("train", origin.root)
        test = origin.source.names("test", origin.root) if found.checked else ()
    except DataError:
        return found
    return with_names(found, train, test)


def _describe(classes: tuple[str, ...], images: LabeledImages) -> SplitDescription:
    task = task_of(classes, images)
    counts = np.bincount(images.labels, minlength=len(classes)).tolist()
    named = dict(zip(classes, counts, strict=True))
    digest = digest_of(images, classes)
    return SplitDescription(images=len(images), counts=named, mean=task.mean, std=task.std, digest=digest)


def _leakage(
    cache: Path, classes: tuple[str, ...], train: LabeledImages, test: LabeledImages | None, reason: str
) -> Leakage:
    compared = [digest_of(train, classes), digest_of(test, classes) if test else reason]
    name = digest_of_text(f"{_REVISION} {compared}")[:16]
    found = cache / "leakage" / f"{name}.json"
    found.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{found}.lock"):
        if not found.exists():
            beside = found.with_suffix(".partial")
            beside.write_text(find_leakage(classes, train, test, reason).model_dump_json(indent=1))
            beside.rename(found)
    return Leakage.model_validate_json(found.read_text())
