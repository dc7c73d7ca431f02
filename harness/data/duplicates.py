"""Images that are there twice: the same pixels, or nearly the same picture.

The likeness of two images is the product of their edge vectors (see `harness.data.likeness`).
Edges, because scenes of sea and sky agree in brightness without being one picture; among pairs of
CIFAR-10 looked at by eye, edges told copies (recolored, rescaled, compressed again) from chance.

How alike unrelated images are depends on the set: two handwritten ones are nearly equal. So a pair
is a near duplicate where all of these hold:

1. its likeness is at least `LEAST_LIKENESS`;
2. its distance, sqrt(2 - 2 likeness), is at most `DISTANCE_SHARE` of the set's own scale, which is
   the median distance from a training image to its nearest neighbor;
3. the brightness of the middles agrees too, with a product of at least `LEAST_CENTER`: frames
   around different pictures have the same edges;
4. neither image has more than `CROWD` partners by 1 and 2: in a crowd likeness says nothing.

Copies that are shifted, mirrored or strongly cropped are not found, nor those with a plain middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.data.likeness import Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def digests(images: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return a digest of each image's pixels [N]."""
    texts = [blake2b(image.tobytes(), digest_size=16).hexdigest() for image in images]
    return np.array(texts, dtype="S32")


def exact_within(digest: NDArray[np.bytes_]) -> Pairs:
    """Return each image that equals an earlier one (second) with the first of its kind (first)."""
    _, first, kind = np.unique(digest, return_index=True, return_inverse=True)
    second = np.flatnonzero(first[kind] != np.arange(len(digest)))
    return _exact(first[kind[second]], second)


def exact_across(one: NDArray[np.bytes_], other: NDArray[np.bytes_]) -> Pairs:
    """Return each image of `other` that is in `one` (second) with its first place there (first)."""
    kinds, first = np.unique(one, return_index=True)
    place = np.minimum(np.searchsorted(kinds, other), len(kinds) - 1)
    second = np.flatnonzero(kinds[place] == other)
    return _exact(first[place[second]], second)


def least_likeness(edges: NDArray[np.float32]) -> float:
    """Return the likeness that rules 1 and 2 ask for in a set with these edge vectors [N, D]."""
    sample = np.random.default_rng(0).permutation(len(edges))[:_SAMPLE]
    nearest = np.full(len(sample), -1, dtype=np.float32)
    for start in range(0, len(edges), _COLUMNS):
        likeness = edges[sample] @ edges[start : start + _COLUMNS].T
        likeness[likeness > 1 - 1e-4] = -1  # itself, and copies of it
        nearest = np.maximum(nearest, likeness.max(axis=1))
    scale = np.median(np.sqrt(2 - 2 * nearest.astype(np.float64)))
    return max(LEAST_LIKENESS, float(1 - (DISTANCE_SHARE * scale) ** 2 / 2))


def near_within(vectors: Vectors, least: float) -> Pairs:
    """Return the near duplicates within one set, each pair once, `first` before `second`."""
    pairs = _uncrowded(_blocks(vectors.edges, vectors.edges, least, within=True), len(vectors), None)
    return _confirmed(pairs, vectors, vectors)


def near_across(one: Vectors, other: Vectors, least: float) -> Pairs:
    """Return the near duplicates of an image in `one` (first) and an image in `other` (second)."""
    pairs = _uncrowded(_blocks(one.edges, other.edges, least, within=False), len(one), len(other))
    return _confirmed(pairs, one, other)


def _exact(first: NDArray[np.int64], second: NDArray[np.int64]) -> Pairs:
    return Pairs(first.astype(np.int64), second.astype(np.int64), np.ones(len(second), dtype=np.float32))


def _blocks(one: NDArray[np.float32], other: NDArray[np.float32], least: float, within: bool) -> Iterator[Pairs]:
    for row in range(0, len(one), _ROWS):
        for column in range(row if within else 0, len(other), _COLUMNS):
            likeness = one[row : row + _ROWS] @ other[column : column + _COLUMNS].T
            rows, columns = np.nonzero(likeness >= least)
            pairs = Pairs(rows + row, columns + column, likeness[rows, columns])
            yield pairs.where(pairs.first < pairs.second) if within else pairs


def _uncrowded(blocks: Iterator[Pairs], ones: int, others: int | None) -> Pairs:
    """Return all pairs without those of crowded images; `others` is None within one set.

    Pairs of images already known to be crowded are dropped at once, so memory stays bounded by
    CROWD pairs an image.
    """
    first_count = np.zeros(ones, dtype=np.int64)
    second_count = first_count if others is None else np.zeros(others, dtype=np.int64)
    kept: list[Pairs] = []
    for pairs in blocks:
        open_still = (first_count[pairs.first] <= CROWD) & (second_count[pairs.second] <= CROWD)
        np.add.at(first_count, pairs.first, 1)
        np.add.at(second_count, pairs.second, 1)
        kept.append(pairs.where(open_still))
    together = Pairs(*(np.concatenate([getattr(pairs, name) for pairs in kept]) for name in Pairs.__slots__))
    return together.where((first_count[together.first] <= CROWD) & (second_count[together.second] <= CROWD))


def _confirmed(pairs: Pairs, one: Vectors, other: Vectors) -> Pairs:
    products = np.einsum("md,md->m", one.center[pairs.first], other.center[pairs.second])
    return pairs.where(products >= LEAST_CENTER)
