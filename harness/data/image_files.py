"""One encoded image -> uint8, whatever it is called: the formats that are opened, and what is done to which kind.

Opened are raster formats that Pillow decodes in this process, told by their content. Others that it knows are not
for files of strangers: to draw PostScript or WMF it starts a program. An image of very many pixels is refused before
it is unpacked, for a small file can fill any memory.

Gray of 1 or 8 bits is taken as it is; gray of more bits is scaled by what its file can hold (4095 of 12 bits in TIFF,
else 65535), or by `white`; palette, CMYK and other color spaces become RGB; transparent pixels are laid over white;
the orientation that a camera noted is applied; of an animation the first frame counts. Color to gray is ITU-R 601
luma, gray to color is three equal channels. Resizing is bilinear with anti-aliasing and does not keep the aspect.
"""

from __future__ import annotations

import stat
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.contracts import MOST_MEGAPIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray


_USUAL: Final = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
FORMATS: Final = (*_USUAL, "AVIF", "JPEG2000", "PPM", "PCX", "SGI", "QOI", "ICO", "TGA")
"""What is opened, by Pillow's names; TGA comes last, for it alone cannot be told by how it begins."""
_NOT_OPENED: Final = {
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"%PDF": "PDF",
}
_GRAY: Final = {"1", "L", "LA", "La", "I"}
_REFUSED: Final = {"F": "floating-point pixels", "I": "32-bit pixels"}
_ORIENTATION: Final = 0x0112
_TURNED: Final = range(5, 9)
_BITS_PER_SAMPLE: Final = 258
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
)
"""What Pillow's readers are known to raise on damaged files."""


class UnreadableImageError(Exception):
    """An image that cannot be used; the message says why, the caller knows which."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What decides how a file is read, beyond the file.

    `white` is the value of gray images of more than 8 bits that becomes 255, where it is not the largest that the
    file can hold; `most_megapixels` the size above which an image is refused.
    """

    white: int | None = None
    most_megapixels: int = MOST_MEGAPIXELS

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Reading:
        """Return what a source's options say of it."""
        return cls(options.get("white"), options.get("most_megapixels", MOST_MEGAPIXELS))


@dataclass(frozen=True, slots=True)
class Header:
    """What an image's header says: height and width as they will be shown, and whether it has color."""

    height: int
    width: int
    color: bool


def read_header(file: IO[bytes], reading: Reading = Reading()) -> Header:
    """Return an image's header; its pixels are not decoded.

    Raises:
        UnreadableImageError: it is not an image, or of a kind that has no one way to 8 bits.
    """
    with _opened(file, reading) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        gray = image.mode in _GRAY or image.mode.startswith("I;16")
        return Header(*((width, height) if turned else (height, width)), color=not gray)


def read_pixels(file: IO[bytes], shape: tuple[int, int, int], reading: Reading = Reading()) -> NDArray[np.uint8]:
    """Return an image as uint8 [H, W, C] of the given shape, resized where it has another size.

    Raises:
        UnreadableImageError: it is not an image, damaged, or has values above `white`.
    """
    with _opened(file, reading) as image:
        top = _largest(image) if reading.white is None else reading.white
        flat = _flat(ImageOps.exif_transpose(image), top)
        return fitted(flat, shape)


def fitted(image: Image.Image, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return an image as uint8 [H, W, C] of the given shape."""
    height, width, channels = shape
    flat = image.convert("L" if channels == 1 else "RGB")
    if flat.size != (width, height):
        flat = flat.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(flat, dtype=np.uint8).reshape(shape)


def open_regular(path: Path) -> IO[bytes]:
    """Open a file to read.

    Raises:
        UnreadableImageError: it is a named pipe, a socket or a device, which could be waited for for ever.
        OSError: it cannot be opened.
    """
    other = irregular(path)
    if other:
        raise UnreadableImageError(f"{other}, not a file")
    return path.open("rb")


def irregular(path: Path) -> str:
    """Return what a path is that is neither a file nor a folder, such as `a named pipe`; nothing if it is one.

    Raises:
        OSError: nothing is there.
    """
    mode = path.stat().st_mode
    kinds = {
        stat.S_ISFIFO: "a named pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
    }
    return next((words for is_kind, words in kinds.items() if is_kind(mode)), "")


@contextmanager
def _opened(file: IO[bytes], reading: Reading) -> Iterator[Image.Image]:
    try:
        head = file.read(4)
        file.seek(0)
        if not head:
            raise UnreadableImageError("empty")
        with _at_most(reading.most_megapixels), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong enough to matter is raised
            with Image.open(file, formats=_formats()) as image:
                if image.mode in _REFUSED and image.format != "PPM":  # of which Pillow makes 16 bits
                    raise UnreadableImageError(
                        f"{image.format} with {_REFUSED[image.mode]}, which have no one way to 8 bits"
                    )
                yield image
    except UnidentifiedImageError as error:
        known = _NOT_OPENED.get(head)
        raise UnreadableImageError(f"{known}, which is not opened" if known else "unknown format") from error
    except Image.DecompressionBombError as error:
        most = f"over {reading.most_megapixels:,} million pixels, the most that are read"
        raise UnreadableImageError(f"{most} (most_megapixels)") from error
    except _FAULTS as error:
        raise UnreadableImageError(f"damaged: {error}") from error


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """Return those of the formats that this Pillow was built with."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextmanager
def _at_most(megapixels: int) -> Iterator[None]:
    """Have Pillow refuse larger images; it has but one setting for the process, and refuses twice of what that says."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = megapixels * 500_000
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _largest(image: Image.Image) -> int:
    """Return the largest value that a gray image of more than 8 bits can hold, as its format says."""
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, ())  # tags, where it is TIFF
    return 4095 if tuple(bits) == (12,) else 65535


def _flat(image: Image.Image, white: int) -> Image.Image:
    """Return the image without transparency and with 8 bits a channel."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.max() > white:
            raise UnreadableImageError(f"has values up to {values.max():,}, above white: {white}")
        return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        color = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", color.size, "white"), color).convert("RGB")
    return image


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


def read_picture(path: Path, shape: tuple[int, int, int], reading: Reading = Reading()) -> Picture | Unreadable:
    """Return an image file decoded and resized as images of a data set are."""
    try:
        with open_regular(path) as file:
            header = read_header(file, reading)
            file.seek(0)
            return Picture(path, read_pixels(file, shape, reading), (header.height, header.width))
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
        endings = {ending for ending, kind in Image.registered_extensions().items() if kind in {*FORMATS, "MPO"}}
        found = sorted(each for each in path.rglob("*") if each.suffix.lower() in endings and _is_shown(each, path))
        if not found:
            yield Unreadable(path, "there is no image file in this folder")
        yield from found


def _is_shown(path: Path, below: Path) -> bool:
    """Whether it is a file, not hidden and in no hidden folder."""
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(below).parts)
