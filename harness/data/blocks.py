"""Images a few megabytes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VALUES: Final = 1 << 23


def blocks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield images [N, H, W, C] in order, as many at a time as make some eight million values."""
    rows = max(1, _VALUES // max(1, images[:1].size))
    for start in range(0, len(images), rows):
        yield images[start : start + rows]
