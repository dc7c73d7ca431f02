"""Decoded splits on disk: each decoded once, kept by what it was decoded from, memory-mapped.

A folder `decoded/NAME-SPLIT-DIGEST` holds `images.npy`, `labels.npy` and `meta.json`. It is
written beside and renamed, under a lock, so it is there whole or not at all whoever builds it.
The digest covers the source's options and the stamp of its raw files, so a folder never changes.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock
from pydantic import ValidationError

from harness.contracts import Dataset, Frozen, LabeledImages, Layout, Source
from harness.data.checks import check_decoded
from harness.data.digest import digest_of, digest_of_text
from harness.errors import DataError
from harness.plugins import Catalog

FORMAT: Final = 1
"""Raised when decoding or the folder's layout changes, so that old folders are not used."""


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

    @property
    def layout(self) -> Layout:
        """Classes and image shape."""
        return Layout(self.classes, self.shape)


def origin_of(dataset: Dataset, catalog: Catalog, cache: Path) -> Origin:
    """Return the data set's source; raises DataError when its options are wrong."""
    try:
        source = catalog.realize("source", dataset.name, dataset.options)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}".lstrip(": ") for each in error.errors())
        raise DataError(f"source {dataset.name}: {'; '.join(faults)}") from error
    return Origin(dataset.name, source, cache)


def make_present(origin: Origin, split: str, like: Layout | None = None) -> None:
    """Have a split's raw files present unless it is decoded already; reads no pixels.

    Raises:
        DataError: naming the files that are missing.
    """
    if not _folder(origin, split, like).exists():
        origin.source.fetch(split, origin.root)


def read_meta(origin: Origin, split: str, like: Layout | None = None) -> Meta:
    """Return what is known of a split, decoding it if that was never done."""
    return Meta.model_validate_json((_decoded(origin, split, like) / "meta.json").read_text())


def read_images(origin: Origin, split: str, like: Layout | None = None) -> LabeledImages:
    """Return a split, memory-mapped and read-only, decoding it if that was never done."""
    folder = _decoded(origin, split, like)
    labels = np.load(folder / "labels.npy", mmap_mode="r")
    images = np.load(folder / "images.npy", mmap_mode="r")
    return LabeledImages(images, labels, np.arange(len(labels), dtype=np.int64))


def decoded_folders(origin: Origin) -> tuple[Path, ...]:
    """Return where a source's splits are kept once decoded; of the test split only after the training split.

    Raises:
        DataError: the raw files are missing, so that it cannot be told.
    """
    train = _folder(origin, "train", None)
    if not train.exists():
        return (train,)
    layout = Meta.model_validate_json((train / "meta.json").read_text()).layout
    return train, _folder(origin, "test", layout)


def _folder(origin: Origin, split: str, like: Layout | None) -> Path:
    stamp = origin.source.stamp(split, origin.root)
    options = origin.source.model_dump(mode="json")
    described = json.dumps([FORMAT, origin.source.revision, options, stamp, repr(like)], sort_keys=True)
    return origin.cache / "decoded" / f"{origin.name}-{split}-{digest_of_text(described)[:16]}"


def _decoded(origin: Origin, split: str, like: Layout | None) -> Path:
    folder = _folder(origin, split, like)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():  # another process may have built it while this one waited
            _build(origin, split, like, folder)
    return folder


def _build(origin: Origin, split: str, like: Layout | None, folder: Path) -> None:
    scratch = Path(f"{folder}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        origin.source.fetch(split, origin.root)
        classes = like.classes if like else origin.source.classes(origin.root)
        decoded = origin.source.read(split, origin.root, scratch, like)
        check_decoded(origin.name, split, decoded, classes, like)
        _write(decoded, classes, scratch)
        os.rename(scratch, folder)  # noqa: PTH104 - Path.rename says nothing of atomicity, this does
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(decoded: LabeledImages, classes: tuple[str, ...], scratch: Path) -> None:
    if not (scratch / "images.npy").exists():
        np.save(scratch / "images.npy", decoded.images)
    np.save(scratch / "labels.npy", decoded.labels)
    counts = np.bincount(decoded.labels, minlength=len(classes)).tolist()
    height, width, channels = decoded.images.shape[1:]
    shape = (height, width, channels)
    meta = Meta(classes=classes, shape=shape, counts=tuple(counts), digest=digest_of(decoded, classes))
    (scratch / "meta.json").write_text(meta.model_dump_json(indent=1))
