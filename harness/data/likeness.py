"""Images as short vectors whose products say how alike they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE: Final = 16
_FAINTEST: Final = 0.5
"""Gray levels; a thumbnail whose edges are weaker (root mean square) is flat and like nothing."""
_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R 601."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Float32 vectors of length 1, one row an image, or zeros for a flat image.

    `edges` [N, D] are the differences of neighboring pixels of the gray thumbnail, at most 16 x 16;
    `center` [N, P] the pixels of its middle (half its height and width) less their mean.
    """

    edges: NDArray[np.float32]
    center: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.edges)


def vectors_of(images: NDArray[np.uint8]) -> Vectors:
    """Return the vectors of images uint8 [N, H, W, C]."""
    thumbnails = np.stack([_thumbnail(image) for image in images])
    count = len(thumbnails)
    across = np.diff(thumbnails, axis=2).reshape(count, -1)
    down = np.diff(thumbnails, axis=1).reshape(count, -1)
    edges = np.concatenate([across, down], axis=1)
    center = _middle(thumbnails).reshape(count, -1)
    faint = np.linalg.norm(edges, axis=1) <= _FAINTEST * np.sqrt(max(1, edges.shape[1]))
    return Vectors(_normalized(edges, faint), _normalized(center - center.mean(axis=1, keepdims=True), faint))


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    gray = image[..., 0].astype(np.float32) if image.shape[2] == 1 else image.astype(np.float32) @ _LUMA
    height, width = gray.shape
    if max(height, width) <= _SIDE:
        return gray
    small = Image.fromarray(gray).resize((min(_SIDE, width), min(_SIDE, height)), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _middle(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    _, height, width = thumbnails.shape
    return thumbnails[:, height // 4 : height - height // 4, width // 4 : width - width // 4]


def _normalized(vectors: NDArray[np.float32], faint: NDArray[np.bool_]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[faint] = np.inf
    normalized: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-9))
    return normalized
