"""A person's own image files, made into what a model was fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from harness.data.images import UnreadableImageError, read_header, read_pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    """Return an image file decoded and resized as images of a data set are; see `harness.data.images`."""
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
