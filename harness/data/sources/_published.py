"""Published sets whose addresses and checksums torchvision knows, fetched and read.

A transfer that broke off is taken up where it stopped, which torchvision's own helper does not do:
that is why downloading is ours. A file is used only if its checksum is right.
"""

from __future__ import annotations

import gzip
import hashlib
import pickle
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from filelock import FileLock

from harness.contracts import LabeledImages
from harness.errors import DataError
from harness.words import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


_BYTES: Final = 1 << 18
_RANGE_NOT_SATISFIABLE: Final = 416


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file's name, the addresses that have it, and its MD5 as hex digits."""

    name: str
    urls: tuple[str, ...]
    md5: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a broken transfer is taken up again, and how long a silent server is waited for."""

    tries: int = 5
    pause_seconds: float = 1.0
    timeout_seconds: float = 30.0


def download(wanted: RemoteFile, folder: Path, patience: Patience = Patience()) -> Path:
    """Return the file's path in `folder`, fetching what of it is missing.

    A transfer that breaks off leaves `NAME.part`, which the next try, or the next call, goes on
    with. Addresses are tried in turn. Processes that want the same file wait for one another.

    Raises:
        DataError: no address gave the file, or what they gave has another checksum; a file with
            another checksum is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / wanted.name
    with FileLock(folder / f"{wanted.name}.lock"):
        if target.exists():
            _verify(target, wanted)
            return target
        part = folder / f"{wanted.name}.part"
        _transfer(wanted, part, patience)
        _verify(part, wanted)
        return part.rename(target)


def _transfer(wanted: RemoteFile, part: Path, patience: Patience) -> None:
    faults: list[str] = []
    for attempt in range(patience.tries):
        time.sleep(patience.pause_seconds if attempt > 1 else 0)  # the first retry is at once
        url = wanted.urls[attempt % len(wanted.urls)]
        try:
            _receive(url, part, patience.timeout_seconds)
            return
        except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
            faults.append(f"  {url}: {error}")
    tried = "\n".join(dict.fromkeys(faults))
    target = part.with_suffix("")
    raise DataError(f"{wanted.name} cannot be downloaded:\n{tried}\nor put the file at {target} yourself")


def _receive(url: str, part: Path, timeout_seconds: float) -> None:
    """Append to `part` what is missing of the file; raises OSError when the connection breaks."""
    have = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"User-Agent": "harness", **({"Range": f"bytes={have}-"} if have else {})})
    try:
        with urlopen(request, timeout=timeout_seconds) as response:
            if not _continues(response, have):
                have = 0
            _append(response, part, have)
    except HTTPError as error:
        with error:
            if error.code != _RANGE_NOT_SATISFIABLE:
                raise
            if error.headers.get("Content-Range") != f"bytes */{have}":
                part.unlink()  # longer than the file: not a part of it
                raise


def _continues(response: HTTPResponse, have: int) -> bool:
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _append(response: HTTPResponse, part: Path, have: int) -> None:
    length = response.headers.get("Content-Length")
    total = have + int(length) if length else None
    with part.open("ab" if have else "wb") as file:
        for block in _watched(response, part.stem, have, total):
            file.write(block)
        received = file.tell()
    if total is not None and received < total:
        raise OSError(f"the connection broke off after {received:,} of {total:,} bytes")


def _watched(response: HTTPResponse, name: str, have: int, total: int | None) -> Iterator[bytes]:
    """Yield the response's blocks, telling on stderr how far it is: a line each tenth, or one that moves."""
    terminal = sys.stderr.isatty()
    told = -1
    while block := response.read(_BYTES):
        yield block
        have += len(block)
        step = have * (100 if terminal else 10) // total if total else -1
        if step > told:
            told = step
            _tell(name, have, total, terminal)
    if terminal:
        sys.stderr.write("\n")


def _tell(name: str, have: int, total: int | None, terminal: bool) -> None:
    share = f" of {total / 1e6:.1f} MB, {have / total:.0%}" if total else " MB"
    start, end = ("\r", "") if terminal else ("", "\n")
    sys.stderr.write(f"{start}downloading {name}: {have / 1e6:.1f}{share}{end}")
    sys.stderr.flush()


def _verify(path: Path, wanted: RemoteFile) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BYTES):
            digest.update(block)
    if digest.hexdigest() == wanted.md5:
        return
    path.unlink()
    raise DataError(
        f"{path}: wrong checksum: MD5 is {digest.hexdigest()}, expected {wanted.md5}; "
        "the file was removed, run again to download it"
    )


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
