"""How alike two images are, and all pairs of a set that are the same picture but for colors, size or compression.

The likeness of two images is the product of their edge vectors (`vectors_of`). Edges, because
scenes of sea and sky agree in brightness without being one picture; among pairs of CIFAR-10 looked
at by eye, edges told copies (recolored, rescaled, compressed again) from chance.

How alike unrelated images are depends on the set: two handwritten ones are nearly equal. So a pair
is a near duplicate where all of these hold:

1. its likeness is at least `LEAST_LIKENESS`;
2. its distance, sqrt(2 - 2 likeness), is at most `DISTANCE_SHARE` of the set's own scale, which is
   the median distance from a training image to its nearest neighbor;
3. the brightness of the middles agrees too, with a product of at least `LEAST_CENTER`: frames
   around different pictures have the same edges;
4. neither image has more than `CROWD` partners by 1 and 2: in a crowd likeness says nothing.

Copies that are mirrored or shifted are found by `harness.data.aligned`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from harness.phases import advance

if TYPE_CHECKING:
    from numpy.typing import NDArray


SIDE: Final = 16
FAINTEST: Final = 0.5
"""Gray levels; a thumbnail whose edges are weaker (root mean square) is flat and like nothing."""
LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
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
    return vectors_from(np.stack([thumbnail(image, SIDE) for image in images]))


def vectors_from(gray: NDArray[np.float32], step: int = 1) -> Vectors:
    """Return the vectors of gray pictures [N, H, W], whose edges are the differences of pixels so many apart."""
    count, height, width = gray.shape
    across = (gray[:, :, step:] - gray[:, :, :-step]).reshape(count, -1)
    down = (gray[:, step:] - gray[:, :-step]).reshape(count, -1)
    edges = np.concatenate([across, down], axis=1)
    middle = gray[:, height // 4 : height - height // 4, width // 4 : width - width // 4].reshape(count, -1)
    faint = np.linalg.norm(edges, axis=1) <= FAINTEST * np.sqrt(max(1, edges.shape[1]))
    return Vectors(normalized(edges, faint), normalized(middle - middle.mean(axis=1, keepdims=True), faint))


def thumbnail(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return an image [H, W, C] in gray, no side longer than `side`: each pixel the mean of those it stands for."""
    gray = image[..., 0].astype(np.float32) if image.shape[2] == 1 else image.astype(np.float32) @ LUMA
    height, width = gray.shape
    if max(height, width) <= side:
        return gray
    small = Image.fromarray(gray).resize((min(side, width), min(side, height)), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def normalized(vectors: NDArray[np.float32], faint: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return vectors [N, D] at length 1, and zeros for the faint ones [N]."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[faint] = np.inf
    scaled: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-9))
    return scaled


LEAST_LIKENESS: Final = 0.8
DISTANCE_SHARE: Final = 0.55
LEAST_CENTER: Final = 0.7
CROWD: Final = 100
_SAMPLE: Final = 1000
_ROWS: Final = 2048
_COLUMNS: Final = 4096


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of positions: `first` and `second` int64 [M], `likeness` float32 [M]."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    likeness: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)

    def where(self, kept: NDArray[np.bool_]) -> Pairs:
        """Return the pairs for which `kept` [M] is true."""
        return Pairs(self.first[kept], self.second[kept], self.likeness[kept])

    def joined(self, others: Pairs) -> Pairs:
        """Return these and then the others."""
        return _joined([self, others])


def digests(images: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return a digest of each image's pixels [N]."""
    texts = [blake2b(image.tobytes(), digest_size=16).hexdigest() for image in images]
    return np.array(texts, dtype="S32")


def exact_within(digest: NDArray[np.bytes_]) -> Pairs:
    """Return each image of digests [N] that equals an earlier one (second) with the first of its kind (first)."""
    _, first, kind = np.unique(digest, return_index=True, return_inverse=True)
    second = np.flatnonzero(first[kind] != np.arange(len(digest)))
    return _pairs(first[kind[second]], second)


def exact_across(one: NDArray[np.bytes_], other: NDArray[np.bytes_]) -> Pairs:
    """Return each image of `other` [M] that is in `one` [N] (second) with its first place there (first)."""
    kinds, first = np.unique(one, return_index=True)
    place = np.minimum(np.searchsorted(kinds, other), len(kinds) - 1)
    second = np.flatnonzero(kinds[place] == other)
    return _pairs(first[place[second]], second)


def least_likeness(edges: NDArray[np.float32]) -> float:
    """Return the likeness that rules 1 and 2 ask for in a set with these edge vectors [N, D]."""
    sample = sampled(len(edges))
    nearest = np.full(len(sample), -1, dtype=np.float32)
    for start in range(0, len(edges), _COLUMNS):
        likeness = edges[sample] @ edges[start : start + _COLUMNS].T
        likeness[likeness > 1 - 1e-4] = -1  # itself, and copies of it
        nearest = np.maximum(nearest, likeness.max(axis=1))
    return least_of(nearest)


def sampled(count: int) -> NDArray[np.int64]:
    """Return the positions of the images that a set's scale is taken from, always the same ones."""
    return np.random.default_rng(0).permutation(count)[:_SAMPLE]


def least_of(nearest: NDArray[np.float32]) -> float:
    """Return what rules 1 and 2 ask for where these are the likenesses of images to their nearest neighbors [M]."""
    scale = np.median(np.sqrt(2 - 2 * nearest.astype(np.float64)))
    return max(LEAST_LIKENESS, float(1 - (DISTANCE_SHARE * scale) ** 2 / 2))


def near_within(vectors: Vectors, least: float) -> Pairs:
    """Return the near duplicates within one set, each pair once, `first` before `second`."""
    pairs = uncrowded(blocks(vectors.edges, vectors.edges, least, within=True), len(vectors), None, CROWD)
    return _confirmed(pairs, vectors, vectors)


def near_across(one: Vectors, other: Vectors, least: float) -> Pairs:
    """Return the near duplicates of an image in `one` (first) and an image in `other` (second)."""
    pairs = uncrowded(blocks(one.edges, other.edges, least, within=False), len(one), len(other), CROWD)
    return _confirmed(pairs, one, other)


def _pairs(first: NDArray[np.int64], second: NDArray[np.int64]) -> Pairs:
    return Pairs(first.astype(np.int64), second.astype(np.int64), np.ones(len(second), dtype=np.float32))


def blocks(one: NDArray[np.float32], other: NDArray[np.float32], least: float, within: bool) -> Iterator[Pairs]:
    """Yield the pairs of vectors [N, D] and [M, D] whose product is at least so much, a block of them at a time."""
    for row in range(0, len(one), _ROWS):
        for column in range(row if within else 0, len(other), _COLUMNS):
            likeness = one[row : row + _ROWS] @ other[column : column + _COLUMNS].T
            rows, columns = np.nonzero(likeness >= least)
            pairs = Pairs(rows + row, columns + column, likeness[rows, columns])
            advance()
            yield pairs.where(pairs.first < pairs.second) if within else pairs


def steps(train: int, test: int) -> int:
    """Return in how many steps so many images are compared, within each split and across both."""
    within = sum(-(-(count - row) // _COLUMNS) for count in (train, test) for row in range(0, count, _ROWS))
    return within + -(-train // _ROWS) * -(-test // _COLUMNS)


def uncrowded(blocks: Iterator[Pairs], ones: int, others: int | None, most: int) -> Pairs:
    """Return all pairs without those of images that have more than `most`; `others` is None within one set.

    Pairs of images already known to be crowded are dropped at once, so memory stays bounded by
    `most` pairs an image.
    """
    first_count = np.zeros(ones, dtype=np.int64)
    second_count = first_count if others is None else np.zeros(others, dtype=np.int64)
    kept: list[Pairs] = []
    for pairs in blocks:
        open_still = (first_count[pairs.first] <= most) & (second_count[pairs.second] <= most)
        np.add.at(first_count, pairs.first, 1)
        np.add.at(second_count, pairs.second, 1)
        kept.append(pairs.where(open_still))
    together = _joined(kept)
    return together.where((first_count[together.first] <= most) & (second_count[together.second] <= most))


def _joined(parts: list[Pairs]) -> Pairs:
    return Pairs(*(np.concatenate([getattr(pairs, name) for pairs in parts]) for name in Pairs.__slots__))


def _confirmed(pairs: Pairs, one: Vectors, other: Vectors) -> Pairs:
    products = np.einsum("md,md->m", one.center[pairs.first], other.center[pairs.second])
    return pairs.where(products >= LEAST_CENTER)
