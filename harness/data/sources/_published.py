"""Published sets whose addresses and checksums torchvision knows."""

from __future__ import annotations

import gzip
import pickle
import tarfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contracts import LabeledImages
from harness.data.download import RemoteFile, download
from harness.errors import DataError
from harness.words import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


def known_to_torchvision(name: str) -> Any:
    """Return torchvision's data set class, for its addresses and checksums alone.

    Imported late: torchvision takes seconds, and a set that is decoded already has no need of it.
    """
    return getattr(import_module("torchvision.datasets"), name)


def fetch_archive(name: str, root: Path) -> None:
    """Have the one archive of a CIFAR set in `root`."""
    known = known_to_torchvision(name)
    download(RemoteFile(known.filename, (known.url,), known.tgz_md5), root)


def read_batches(archive: Path, members: Sequence[str], label: str) -> LabeledImages:
    """Return the images of CIFAR's pickled batches, uint8 [N, 32, 32, 3]."""
    batches = _unpickle(archive, members)
    rows = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.array([value for batch in batches for value in batch[label]], dtype=np.int64)
    return _labeled(np.ascontiguousarray(rows.transpose(0, 2, 3, 1)), labels)


def read_names(archive: Path, member: str, key: str) -> tuple[str, ...]:
    """Return the class names of a CIFAR set."""
    (names,) = _unpickle(archive, [member])
    return tuple(names[key])


def fetch_idx(name: str, split: str, root: Path) -> None:
    """Have the two files of one split of an MNIST-like set in `root`."""
    known = known_to_torchvision(name)
    checksums = dict(known.resources)
    for file in idx_files(split):
        urls = tuple(f"{mirror}{file}" for mirror in known.mirrors)
        download(RemoteFile(file, urls, checksums[file]), root)


def idx_files(split: str) -> tuple[str, str]:
    """Return the names of the image file and the label file of an MNIST-like set."""
    start = "t10k" if split == "test" else "train"
    return f"{start}-images-idx3-ubyte.gz", f"{start}-labels-idx1-ubyte.gz"


def read_idx(split: str, root: Path) -> LabeledImages:
    """Return a split of an MNIST-like set, uint8 [N, H, W, 1]."""
    images, labels = (_read_idx(root / file) for file in idx_files(split))
    return _labeled(images[..., None], labels.astype(np.int64))


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Return an IDX file's bytes: two zeros, type 8 (bytes), dimensions, their big-endian sizes."""
    with gzip.open(path) as file:
        content = file.read()
    if content[:3] != b"\0\0\x08":
        raise DataError(f"{path}: not an IDX file of bytes")
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _unpickle(archive: Path, members: Sequence[str]) -> list[Any]:
    """Return pickles in a tar file; what they are was settled by the archive's checksum.

    The archive is read once from front to back: going back in it means unpacking it again.
    """
    found: dict[str, Any] = {}
    with tarfile.open(archive) as tar:
        for entry in tar:
            file = tar.extractfile(entry) if entry.name in members else None
            if file is not None:
                found[entry.name] = pickle.load(file, encoding="latin1")
    missing = [member for member in members if member not in found]
    if missing:
        raise DataError(f"{archive}: missing in it:\n{listed(missing)}")
    return [found[member] for member in members]


def _labeled(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> LabeledImages:
    return LabeledImages(images, labels, np.arange(len(labels), dtype=np.int64))
