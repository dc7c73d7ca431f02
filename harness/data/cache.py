"""Decoded splits on disk: each decoded once, checked, kept by what it was decoded from, memory-mapped.

A folder `decoded/NAME-SPLIT-DIGEST` holds `images.npy`, `labels.npy` and `meta.json`. It is
published under a lock, so it is there whole or not at all whoever builds it, and it is sealed (see
`harness.files`): one that is damaged is told and decoded again.
The digest covers the source's options and the stamp of its raw files, so a folder never changes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from filelock import FileLock
from pydantic import ValidationError

from harness.contracts import Dataset, Frozen, LabeledImages, Layout, Source
from harness.errors import DataError, printable
from harness.files import SEAL, discard, is_whole, publish, read_sealed, remove, seal, write_sealed
from harness.plugins import Catalog
from harness.words import amount, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


_VALUES: Final = 1 << 23


def blocks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield images [N, H, W, C] in order, as many at a time as make some eight million values."""
    rows = max(1, _VALUES // max(1, images[:1].size))
    for start in range(0, len(images), rows):
        yield images[start : start + rows]


DIGITS: Final = 32


def digest_of(images: LabeledImages, classes: tuple[str, ...] = ()) -> str:
    """Return 32 hex digits over pixels, labels, their shapes, and the class names."""
    digest = sha256(repr((classes, images.images.shape)).encode())
    for block in blocks(images.images):
        digest.update(block.tobytes())
    digest.update(images.labels.astype("<i8").tobytes())
    return digest.hexdigest()[:DIGITS]


def digest_of_numbers(numbers: NDArray[np.int64]) -> str:
    """Return 32 hex digits over int64 numbers [N] in their order."""
    return sha256(numbers.astype("<i8").tobytes()).hexdigest()[:DIGITS]


def digest_of_text(text: str) -> str:
    """Return 32 hex digits over a text."""
    return sha256(text.encode()).hexdigest()[:DIGITS]


_LONGEST_CLASS: Final = 200
"""Characters of a class's name: it stands in tables, in charts and on terminals."""


def check_decoded(name: str, split: str, decoded: LabeledImages, classes: tuple[str, ...], like: Layout | None) -> None:
    """Refuse a split that nothing can be fitted or tested on.

    Raises:
        DataError: no images; images that are not uint8 [N, H, W, 1 or 3] or not like the training
            images; labels out of range; classes without a training image; class names that are equal or no names.
    """
    where = f"{name}: {split} split"
    _check_images(where, decoded)
    _check_labels(where, decoded, classes)
    if like is None:
        _check_classes(where, decoded, classes)
        return
    shape = tuple(decoded.images.shape[1:])
    if shape != like.shape:
        raise DataError(f"{where}: images are {_sizes(shape)}, the training images {_sizes(like.shape)}; give resize")


def _check_images(where: str, decoded: LabeledImages) -> None:
    images = decoded.images
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise DataError(f"{where}: images are {images.dtype} {images.shape}, not uint8 [N, H, W, 1 or 3]")
    if len(images) == 0:
        raise DataError(f"{where}: there are no images")
    if len(images) != len(decoded.labels):
        raise DataError(f"{where}: {len(images):,} images but {len(decoded.labels):,} labels")


def _check_labels(where: str, decoded: LabeledImages, classes: tuple[str, ...]) -> None:
    wrong = np.flatnonzero((decoded.labels < 0) | (decoded.labels >= len(classes)))
    if len(wrong):
        rows = [f"image {row}: {decoded.labels[row]}" for row in wrong]
        raise DataError(f"{where}: labels out of range 0 to {len(classes) - 1} ({len(wrong):,}):\n{listed(rows)}")


def _check_classes(where: str, decoded: LabeledImages, classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        raise DataError(f"{where}: {len(classes)} class, but telling classes apart needs at least 2")
    odd = [name for name in classes if not name.strip() or len(name) > _LONGEST_CLASS or printable(name) != name]
    if odd:
        listing = listed([printable(name[:_LONGEST_CLASS]) for name in odd])
        raise DataError(f"{where}: class names are 1 to {_LONGEST_CLASS} printable characters; not so:\n{listing}")
    repeated = sorted({name for name in classes if classes.count(name) > 1})
    if repeated:
        raise DataError(f"{where}: class names that are there twice:\n{listed(repeated)}")
    counts = np.bincount(decoded.labels, minlength=len(classes))
    empty = [classes[label] for label in np.flatnonzero(counts == 0)]
    if empty:
        raise DataError(f"{where}: classes without an image ({len(empty)}):\n{listed(empty)}")


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


HALF: Final = 128
"""Images none of whose values reaches it are told: they may be of fewer bits than their files."""


class Shades(Frozen):
    """Which of the values 0 to 255 the pixels of some images have."""

    minimum: int
    maximum: int
    shades: int
    """How many different ones."""

    @property
    def remark(self) -> str:
        """What is to be said of images that use but the lower half of the values; else nothing."""
        if self.maximum >= HALF:
            return ""
        return (
            f"the images have values from {self.minimum} to {self.maximum} of 255, {amount(self.shades, 'shade')}: "
            "where their files have 16 bits and use fewer, give white: the value that is to become 255, such as 4095"
        )


def shades_of(images: NDArray[np.uint8]) -> Shades:
    """Return which values images [N, H, W, C] have."""
    counts = np.zeros(256, dtype=np.int64)
    for block in blocks(images):
        counts += np.bincount(block.reshape(-1), minlength=256)
    used = np.flatnonzero(counts) if len(images) else np.zeros(1, np.int64)
    return Shades(minimum=int(used[0]), maximum=int(used[-1]), shades=len(used))


FORMAT: Final = 1
"""Raised when decoding or the folder's layout changes, so that old folders are not used."""
META: Final = "meta.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """A source and where its files are kept: raw ones in `root`, decoded ones below `cache`."""

    name: str
    source: Source
    cache: Path

    @property
    def root(self) -> Path:
        """The folder of the source's raw downloads."""
        return self.cache / "raw" / self.name


class Meta(Frozen):
    """What is known of a decoded split without reading its pixels."""

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    counts: tuple[int, ...]
    """Images of each class."""
    digest: str
    """`digest_of` the images with the class names."""
    shades: Shades | None = None
    """Which values the pixels have; None in a cache of an earlier version."""

    @property
    def layout(self) -> Layout:
        """Classes and image shape."""
        return Layout(self.classes, self.shape)


def origin_of(dataset: Dataset, catalog: Catalog, cache: Path) -> Origin:
    """Return the data set's source, with the first of several test sets; raises DataError if its options are wrong."""
    first = next(iter(dataset.test_sets.values()))
    try:
        source = catalog.realize("source", first.name, _options(first, catalog))
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}".lstrip(": ") for each in error.errors())
        raise DataError(f"source {dataset.name}: {'; '.join(faults)}") from error
    return Origin(dataset.name, source, cache)


def _options(dataset: Dataset, catalog: Catalog) -> dict[str, Any]:
    """Return a source's options; one that divides a set by itself is told which groups are to be kept whole."""
    options = dict(dataset.options)
    divides = options.get("test_fraction") is not None and dataset.grouped_by is not None
    if divides and "test_groups" in catalog.declare("source", dataset.name).model_fields:
        options["test_groups"] = options.get("test_groups") or dataset.grouped_by
    return options


def make_present(origin: Origin, split: str, like: Layout | None = None) -> None:
    """Have a split's raw files present unless it is decoded already; reads no pixels.

    Raises:
        DataError: naming the files that are missing.
    """
    if not is_whole(_folder(origin, split, like), [META]):
        origin.source.fetch(split, origin.root)


def read_meta(origin: Origin, split: str, like: Layout | None = None) -> Meta:
    """Return what is known of a split, decoding it if that was never done."""
    return _meta_in(_decoded(origin, split, like, [META]))


def known_meta(origin: Origin, split: str, like: Layout | None = None) -> Meta | None:
    """Return what is known of a split if it was decoded as its files are now; decodes nothing."""
    folder = _folder(origin, split, like)
    return _meta_in(folder) if is_whole(folder, [META]) else None


def digest_of_contents(origin: Origin, split: str) -> str:
    """Return the digest of what a split's raw files hold, remembered for as long as their stamp is the same.

    Raises:
        DataError: the files are not there.
        OSError: they cannot be read.
    """
    stamp = origin.source.stamp(split, origin.root)
    known = origin.cache / "contents" / digest_of_text(f"{origin.name} {split} {stamp}")
    remembered = read_sealed(known)
    if remembered is not None:
        return remembered.decode()
    digest = digest_of_text(f"{origin.name} {origin.source.contents(split, origin.root)}")
    write_sealed(known, lambda file: file.write(digest.encode()))
    return digest


def read_images(origin: Origin, split: str, like: Layout | None = None) -> LabeledImages:
    """Return a split, memory-mapped and read-only, decoding it if that was never done or is damaged."""
    return _images_in(_decoded(origin, split, like))


def decoded_folders(origin: Origin) -> tuple[Path, ...]:
    """Return where a source's splits are kept once decoded; of the test split only after the training split.

    Raises:
        DataError: the raw files are missing, or the training split is damaged, so that it cannot be told.
    """
    train = _folder(origin, "train", None)
    if not train.exists():
        return (train,)
    if not is_whole(train, [META]):
        raise DataError(f"{train}: it is damaged, and is decoded again when it is used")
    return train, *_others(origin, _meta_in(train).layout)


def _others(origin: Origin, layout: Layout) -> Iterator[Path]:
    """Yield where the other splits of a source would be; one that it may have and has not is left out."""
    for split in origin.source.splits:
        if split == "test":
            yield _folder(origin, split, layout)
        elif split != "train":
            with suppress(DataError):
                yield _folder(origin, split, layout)


def _meta_in(folder: Path) -> Meta:
    return Meta.model_validate_json((folder / META).read_text())


def _images_in(folder: Path) -> LabeledImages:
    labels = np.load(folder / "labels.npy", mmap_mode="r")
    images = np.load(folder / "images.npy", mmap_mode="r")
    return LabeledImages(images, labels, np.arange(len(labels), dtype=np.int64), fingerprint=_meta_in(folder).digest)


def _folder(origin: Origin, split: str, like: Layout | None) -> Path:
    stamp = origin.source.stamp(split, origin.root)
    options = origin.source.model_dump(mode="json")
    if split != "test" and options.get("test") is not None:
        del options["test"]  # so that it is decoded once whatever it is tested on
    described = json.dumps([FORMAT, origin.source.revision, options, stamp, repr(like)], sort_keys=True)
    return origin.cache / "decoded" / f"{origin.name}-{split}-{digest_of_text(described)[:16]}"


def _decoded(origin: Origin, split: str, like: Layout | None, names: Collection[str] | None = None) -> Path:
    """Return a split's folder, of which these files (None: all) are whole."""
    folder = _folder(origin, split, like)
    if is_whole(folder, names):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        _seal_earlier(folder)
        if not is_whole(folder, names):  # another process may have built it while this one waited
            discard(folder, names)
            _build(origin, split, like, folder)
    return folder


def _seal_earlier(folder: Path) -> None:
    """Seal a folder of a version that sealed none, if its images are those that its meta.json was written for."""
    if not folder.is_dir() or (folder / SEAL).exists():
        return
    with suppress(OSError, ValueError):
        meta = _meta_in(folder)
        if digest_of(_images_in(folder), meta.classes) == meta.digest:
            seal(folder)


def _build(origin: Origin, split: str, like: Layout | None, folder: Path) -> None:
    scratch = Path(f"{folder}.partial")
    remove(scratch)
    scratch.mkdir()
    try:
        origin.source.fetch(split, origin.root)
        classes = like.classes if like else origin.source.classes(origin.root)
        decoded = origin.source.read(split, origin.root, scratch, like)
        check_decoded(origin.name, split, decoded, classes, like)
        _write(decoded, classes, scratch)
        publish(scratch, folder)
    finally:
        remove(scratch)


def _write(decoded: LabeledImages, classes: tuple[str, ...], scratch: Path) -> None:
    if not (scratch / "images.npy").exists():
        np.save(scratch / "images.npy", decoded.images)
    np.save(scratch / "labels.npy", decoded.labels)
    counts = np.bincount(decoded.labels, minlength=len(classes)).tolist()
    height, width, channels = decoded.images.shape[1:]
    shape = (height, width, channels)
    digest, shades = digest_of(decoded, classes), shades_of(decoded.images)
    meta = Meta(classes=classes, shape=shape, counts=tuple(counts), digest=digest, shades=shades)
    (scratch / META).write_text(meta.model_dump_json(indent=1))
