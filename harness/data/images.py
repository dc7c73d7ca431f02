"""One encoded image -> one array of uint8, whatever its kind.

What is done to which kind: gray of 1 or 8 bits as it is; gray of 16 bits divided by 257; palette,
CMYK and other color spaces to RGB; transparent pixels laid over white; the orientation that a
camera noted is applied; of an animation the first frame. Color to gray is ITU-R 601 luma, gray to
color is three equal channels. Resizing is bilinear with anti-aliasing and does not keep the aspect.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

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
