"""Encoded images -> uint8: one image of whatever kind, and all of a split as one memory-mapped array.

What is done to which kind: gray of 1 or 8 bits as it is; gray of 16 bits divided by 257; palette,
CMYK and other color spaces to RGB; transparent pixels laid over white; the orientation that a
camera noted is applied; of an animation the first frame. Color to gray is ITU-R 601 luma, gray to
color is three equal channels. Resizing is bilinear with anti-aliasing and does not keep the aspect.

A split is decoded in two passes. The first reads headers: it finds the common size and whether there
is color, and lists what is no image. The second decodes into the array. Large sets are decoded by
several processes, which write the pixels into the same file: decoding is bound by the interpreter, so
threads would gain nothing.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal, Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.contracts import Layout
from harness.data.parallel import map_in_processes, process_count
from harness.errors import DataError
from harness.phases import advance, phase
from harness.words import amount, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


Channels = Literal["auto", 1, 3]
Size = int | tuple[int, int] | None
"""A side, or height and width, or the images' own size."""

_GRAY: Final = {"1", "L", "LA", "La"}
_REFUSED: Final = {"F": "floating-point pixels", "I": "32-bit pixels"}
_ORIENTATION: Final = 0x0112
_TURNED: Final = range(5, 9)
_FAULTS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's readers are known to raise on damaged files."""


class UnreadableImageError(Exception):
    """An image that cannot be used; the message says why, the caller knows which."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an image's header says: height and width as they will be shown, and whether it has color."""

    height: int
    width: int
    color: bool


def read_header(file: IO[bytes]) -> Header:
    """Return an image's header; its pixels are not decoded.

    Raises:
        UnreadableImageError: it is not an image, or of a kind that has no one way to 8 bits.
    """
    with _opened(file) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        gray = image.mode in _GRAY or image.mode.startswith("I;16")
        return Header(*((width, height) if turned else (height, width)), color=not gray)


def read_pixels(file: IO[bytes], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return an image as uint8 [H, W, C] of the given shape, resized where it has another size.

    Raises:
        UnreadableImageError: it is not an image, or damaged.
    """
    with _opened(file) as image:
        flat = _flat(ImageOps.exif_transpose(image))
        return fitted(flat, shape)


def fitted(image: Image.Image, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return an image as uint8 [H, W, C] of the given shape."""
    height, width, channels = shape
    flat = image.convert("L" if channels == 1 else "RGB")
    if flat.size != (width, height):
        flat = flat.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(flat, dtype=np.uint8).reshape(shape)


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong enough to matter is raised
            with Image.open(file) as image:
                if image.mode in _REFUSED:
                    raise UnreadableImageError(
                        f"{image.format} with {_REFUSED[image.mode]}, which have no one way to 8 bits"
                    )
                yield image
    except UnidentifiedImageError as error:
        raise UnreadableImageError("unknown format") from error
    except _FAULTS as error:
        raise UnreadableImageError(f"damaged: {error}") from error


def _flat(image: Image.Image) -> Image.Image:
    """Return the image without transparency and with 8 bits a channel."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        color = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", color.size, "white"), color).convert("RGB")
    return image


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
        seen = map_in_processes(_look, chunks, processes)
    _refuse(where, [fault for each in seen for fault in each.faults])
    size = wish.size or _common_size(where, seen, count, like)
    shape = (*size, _channel_count(wish, seen, like))
    path = scratch / "images.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (count, *shape)).flush()
    jobs = [_Job(chunk, path, shape) for chunk in chunks]
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


def _look(chunk: Chunk) -> _Seen:
    sizes: dict[tuple[int, int], tuple[str, int]] = {}
    color = False
    faults = []
    for name, header in _headers(chunk):
        advance()
        if isinstance(header, str):
            faults.append(f"{name}: {header}")
            continue
        size = (header.height, header.width)
        first, count = sizes.get(size, (name, 0))
        sizes[size] = (first, count + 1)
        color = color or header.color
    return _Seen(sizes, color, faults)


def _headers(chunk: Chunk) -> Iterator[tuple[str, Header | str]]:
    for name, load in chunk.items():
        try:
            with load() as file:
                yield name, read_header(file)
        except (UnreadableImageError, OSError) as error:
            yield name, str(error)


def _decode(job: _Job) -> list[str]:
    images = np.load(job.path, mmap_mode="r+")
    faults = []
    for position, (name, load) in enumerate(job.chunk.items(), job.chunk.first):
        try:
            with load() as file:
                images[position] = read_pixels(file, job.shape)
        except (UnreadableImageError, OSError) as error:
            faults.append(f"{name}: {error}")
        advance()
    images.flush()
    return faults


def _refuse(where: str, faults: list[str]) -> None:
    if faults:
        raise DataError(f"{where}: images that cannot be read ({len(faults):,}):\n{listed(faults)}")


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
