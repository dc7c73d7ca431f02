"""NumPy archives: which arrays they hold, and each of them, once it is seen to be what the file says and no more."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from harness.data.image_files import irregular
from harness.errors import DataError, nearest
from harness.words import size

if TYPE_CHECKING:
    from numpy.typing import NDArray

FREE_BYTES: Final = 1 << 28
"""An array that unpacks to no more is never too large."""
MOST_EXPANSION: Final = 100
"""Times its size in the file that a larger array may unpack to; images seldom reach 10."""
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "x": ("x_{}", "X_{}", "{}_images", "x", "X"),
    "y": ("y_{}", "Y_{}", "{}_labels", "y", "Y"),
}
"""What the images and the labels of a split are called; the last two where a file holds but one split."""
_CALLED: Final[Mapping[str, tuple[str, ...]]] = {"val": ("val", "valid", "validation")}
"""What a split is called in names, where not as we call it."""
_FAULTS: Final = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise on files that are damaged, locked with a password, or say what is not so."""


def names_in(file: Path) -> list[str]:
    """Return the names of an archive's arrays, from its directory.

    Raises:
        DataError: it is no archive.
    """
    try:
        if other := irregular(file):
            raise DataError(f"{file}: {other}, not a file")
        with zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except _FAULTS as error:
        raise DataError(f"{file}: cannot be read as npz: {error}") from error


def shapes_in(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array, from their headers alone; what is no array is left out.

    Raises:
        DataError: it is no archive.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = {name.removesuffix(".npy"): _header(archive, name) for name in archive.namelist()}
    except _FAULTS as error:
        raise DataError(f"{file}: cannot be read as npz: {error}") from error
    return {name: header[0] for name, header in members.items() if header is not None}


def find_array(file: Path, axis: str, split: str, *, is_only: bool = True) -> str:
    """Return the name of the array of a split's images (axis x) or labels (axis y).

    Where the file is not the only split's (`is_only`), "x" and "y" alone are those of training images.

    Raises:
        DataError: there is none; the message says what it may be called, and what there is.
    """
    names = names_in(file)
    patterns = NAMES[axis] if is_only or split == "train" else NAMES[axis][:-2]
    called = _CALLED.get(split, (split,))
    possible = list(dict.fromkeys(pattern.format(name) for name in called for pattern in patterns))
    for name in possible:
        if name in names:
            return name
    wanted, *others = possible
    there = f"; it holds {', '.join(sorted(names))}" if names else ""
    raise DataError(
        f'the {split} split of npz is missing: {file} has no array "{wanted}" (nor {", ".join(others)}){there}'
    )


def read_array(file: Path, name: str) -> NDArray[np.generic]:
    """Return an array.

    Raises:
        DataError: there is no such array, it is damaged, is not what its header says, or unpacks to far too much.
    """
    names = names_in(file)
    if name not in names:
        raise DataError(f'{file}: there is no array "{name}"{nearest(name, names)}')
    where = f"{file}: array {name}"
    try:
        with zipfile.ZipFile(file) as archive:
            _check_size(where, archive, name if name in archive.namelist() else f"{name}.npy")
        with np.load(file, allow_pickle=False) as arrays:
            array: NDArray[np.generic] = arrays[name]
            return array
    except _FAULTS as error:
        raise DataError(f"{where}: {error or type(error).__name__}") from error


def _check_size(where: str, archive: zipfile.ZipFile, member: str) -> None:
    header = _header(archive, member)
    if header is None:
        raise DataError(f"{where}: is no array")
    shape, kind = header
    said, there, packed = prod(shape) * kind.itemsize, *_sizes(archive, member)
    if not kind.hasobject and said > there:
        raise DataError(f"{where}: its header says {size(said)}, the file has {size(there)}")
    if there > FREE_BYTES and there > MOST_EXPANSION * packed:
        raise DataError(
            f"{where}: {size(packed)} that unpack to {size(there)}, over {MOST_EXPANSION} times as much; if that is "
            "right, write it with np.savez, which does not pack"
        )


def _sizes(archive: zipfile.ZipFile, member: str) -> tuple[int, int]:
    about = archive.getinfo(member)
    return about.file_size, max(1, about.compress_size)


def _header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Return the shape and type that an array's header says, None of what is no array."""
    with archive.open(member) as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
            return None
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        return tuple(shape), kind
