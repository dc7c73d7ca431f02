"""All images of a split as one memory-mapped uint8 array; what is done to a single one is said in `image_files`.

A split is decoded in two passes. The first reads headers: it finds the common size and whether there
is color, and lists what is no image. The second decodes into the array. Large sets are decoded by
several processes, which write the pixels into the same file: decoding is bound by the interpreter, so
threads would gain nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal, Protocol

import numpy as np

from harness.contracts import Layout
from harness.data.image_files import FORMATS, Header, Reading, UnreadableImageError, read_header, read_pixels
from harness.data.parallel import map_in_processes, process_count
from harness.errors import DataError
from harness.phases import advance, phase
from harness.words import amount, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


Channels = Literal["auto", 1, 3]
Size = int | tuple[int, int] | None
"""A side, or height and width, or the images' own size."""

MANY: Final = 5000
"""Sets with more images are decoded by several processes."""
_SIZES_SHOWN: Final = 5

Item = tuple[str, Callable[[], IO[bytes]]]
"""An image's name for messages, and how to open it (may raise OSError or UnreadableImageError)."""


class Chunk(Protocol):
    """Some consecutive images of a split; can be pickled."""

    @property
    def first(self) -> int:
        """Position of its first image in the split."""

    @property
    def count(self) -> int:
        """How many images it has."""

    def items(self) -> Iterator[Item]:
        """Yield its images in order."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What decoded images shall be like, as far as the user said."""

    resize: Size
    channels: Channels
    reading: Reading = field(default_factory=Reading)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width."""
        return (self.resize, self.resize) if isinstance(self.resize, int) else self.resize


def decode_images(
    where: str, chunks: Sequence[Chunk], wish: Wish, scratch: Path, like: Layout | None
) -> NDArray[np.uint8]:
    """Decode all images into `scratch/images.npy` and return it, [N, H, W, C], memory-mapped.

    Channels `auto` gives 1 where all images are gray and 3 where any has color. Test images get
    the training images' channels (`like`).

    Raises:
        DataError: naming the images that are damaged, of an unknown format, or of another size.
    """
    count = sum(chunk.count for chunk in chunks)
    if count == 0:
        raise DataError(f"{where}: there are no images")
    processes = process_count() if count > MANY else 1
    with phase(f"{where}: reading the headers of {amount(count, 'image')}", count):
        seen = map_in_processes(partial(_look, reading=wish.reading), chunks, processes)
    _refuse(where, [fault for each in seen for fault in each.faults])
    size = wish.size or _common_size(where, seen, count, like)
    shape = (*size, _channel_count(wish, seen, like))
    path = scratch / "images.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (count, *shape)).flush()
    jobs = [_Job(chunk, path, shape, wish.reading) for chunk in chunks]
    with phase(f"{where}: decoding {amount(count, 'image')}", count):
        faults = map_in_processes(_decode, jobs, processes)
    _refuse(where, [fault for each in faults for fault in each])
    decoded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return decoded


@dataclass(frozen=True, slots=True)
class _Seen:
    """The headers of a chunk: for each size its first image and how many; whether any has color."""

    sizes: dict[tuple[int, int], tuple[str, int]]
    color: bool
    faults: list[str]


@dataclass(frozen=True, slots=True)
class _Job:
    chunk: Chunk
    path: Path
    shape: tuple[int, int, int]
    reading: Reading


def _look(chunk: Chunk, reading: Reading) -> _Seen:
    sizes: dict[tuple[int, int], tuple[str, int]] = {}
    color = False
    faults = []
    for name, header in _headers(chunk, reading):
        advance()
        if isinstance(header, str):
            faults.append(f"{name}: {header}")
            continue
        size = (header.height, header.width)
        first, count = sizes.get(size, (name, 0))
        sizes[size] = (first, count + 1)
        color = color or header.color
    return _Seen(sizes, color, faults)


def _headers(chunk: Chunk, reading: Reading) -> Iterator[tuple[str, Header | str]]:
    for name, load in chunk.items():
        try:
            with load() as file:
                yield name, read_header(file, reading)
        except (UnreadableImageError, OSError) as error:
            yield name, str(error)


def _decode(job: _Job) -> list[str]:
    images = np.load(job.path, mmap_mode="r+")
    faults = []
    for position, (name, load) in enumerate(job.chunk.items(), job.chunk.first):
        try:
            with load() as file:
                images[position] = read_pixels(file, job.shape, job.reading)
        except (UnreadableImageError, OSError) as error:
            faults.append(f"{name}: {error}")
        advance()
    images.flush()
    return faults


def _refuse(where: str, faults: list[str]) -> None:
    if faults:
        known = (
            f"; read are {', '.join(FORMATS)}, by content" if any("unknown format" in each for each in faults) else ""
        )
        raise DataError(f"{where}: images that cannot be read ({len(faults):,}){known}:\n{listed(faults)}")


def _channel_count(wish: Wish, seen: Sequence[_Seen], like: Layout | None) -> int:
    if like is not None:
        return like.shape[2]
    if wish.channels != "auto":
        return wish.channels
    return 3 if any(each.color for each in seen) else 1


def _common_size(where: str, seen: Sequence[_Seen], count: int, like: Layout | None) -> tuple[int, int]:
    sizes: dict[tuple[int, int], tuple[str, int]] = {}
    for each in seen:
        for size, (name, more) in each.sizes.items():
            first, already = sizes.get(size, (name, 0))
            sizes[size] = (first, already + more)
    wanted = like.shape[:2] if like else None
    if len(sizes) == 1 and wanted in (None, *sizes):
        return next(iter(sizes))
    most = sorted(sizes.items(), key=lambda entry: -entry[1][1])
    lines = [f"{size[0]} x {size[1]}: {number:,} images, such as {name}" for size, (name, number) in most]
    expected = f"; training images are {wanted[0]} x {wanted[1]}" if wanted else ""
    raise DataError(
        f"{where}: {count:,} images of {len(sizes)} sizes (height x width){expected}\n{listed(lines)}\n"
        f"give resize: {most[0][0][0]} or resize: [{most[0][0][0]}, {most[0][0][1]}]"
    )
