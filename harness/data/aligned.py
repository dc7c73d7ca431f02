"""Pairs of images that are the same picture once one of them is mirrored, or shifted by a pixel or two, or both.

To compare all images in fifty positions would take fifty times as long. So candidates are found first, by what
neither changes: the amplitudes of the image's Fourier transform do not change when it is shifted, and those of a
mirrored one are the same with left and right exchanged, so sum and difference of the two are kept (`spectra`; the
image fades towards its border, which a shift changes). From each image's few most alike, the position is read off
the peak of their cross-correlation (Kuglin and Hines 1975), and what then overlaps is held to the same rules as other
near duplicates (`harness.data.likeness`), with a scale of the set that is taken in the same way.

A shift is of at most `REACH` pixels each way where images have up to 32 a side; larger ones are scaled down to that
first, so there it is a sixteenth of the side. Pairs that need neither are left to `near_within` and `near_across`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import fft

from harness.data.likeness import (
    FAINTEST,
    LEAST_CENTER,
    SIDE,
    Pairs,
    Vectors,
    blocks,
    least_of,
    normalized,
    sampled,
    thumbnail,
    uncrowded,
    vectors_from,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH: Final = 2
_LONGEST: Final = 32
_FREQUENCIES: Final = 9
"""Waves over the image's side that are compared, from 0."""
_POWER: Final = 0.25
"""Of amplitudes: the few large ones would drown the rest."""
_FEWEST: Final = 10
_MOST: Final = 100
"""How many of its set an image is compared with in all positions, on average: the most in small sets."""
_CROWD: Final = 10
"""Times as many candidates as there are on average, which mark an image that is like everything."""
_IN_ALL: Final = 200_000
"""How many pairs that may be, before it is the fewest an image."""
_SHARPNESS: Final = 0.15
"""Cycles a pixel up to which the cross-correlation counts."""
_AT_ONCE: Final = 2048


@dataclass(frozen=True, slots=True)
class Shapes:
    """Images in gray, uint8 [N, h, w], no side longer than 32, and their spectra float32 [N, D]."""

    gray: NDArray[np.uint8]
    spectra: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.gray)


def shapes_of(images: NDArray[np.uint8]) -> Shapes:
    """Return the shapes of images uint8 [N, H, W, C]."""
    gray = np.stack([np.rint(thumbnail(image, _LONGEST)).astype(np.uint8) for image in images])
    return Shapes(gray, np.concatenate([_spectra(gray[at : at + _AT_ONCE]) for at in range(0, len(gray), _AT_ONCE)]))


@dataclass(frozen=True, slots=True)
class Positions:
    """Where the second image of M pairs lies on the first: whether mirrored, bool [M], and shifted, int64 [M, 2]."""

    mirrored: NDArray[np.bool_]
    shift: NDArray[np.int64]

    def where(self, kept: NDArray[np.bool_]) -> Positions:
        """Return those for which `kept` [M] is true."""
        return Positions(self.mirrored[kept], self.shift[kept])

    def joined(self, others: Positions) -> Positions:
        """Return these and then the others."""
        return Positions(
            *(np.concatenate([getattr(self, name), getattr(others, name)]) for name in Positions.__slots__)
        )

    def words(self, place: int) -> str:
        """Return one of them in words, such as `mirrored`; nothing for one that lies as it is."""
        y, x = np.abs(self.shift[place])
        told = ["mirrored"] if self.mirrored[place] else []
        return " and ".join(told + ([f"shifted by {y} x {x}"] if y or x else []))

    @classmethod
    def unmoved(cls, count: int) -> Positions:
        """Return the positions of so many pairs that lie as they are."""
        return cls(np.zeros(count, dtype=bool), np.zeros((count, 2), dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Search:
    """From when on images of a set are alike, learned from its training images; see `learn`."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    least_spectrum: float
    crowd: int
    """Candidates of an image above which it is passed over: what is like everything is a copy of nothing."""
    least_likeness: float

    def within(self, shapes: Shapes) -> tuple[Pairs, Positions]:
        """Return the pairs of one set, each once, `first` before `second`, and how they lie."""
        vectors = self._vectors(shapes)
        found = uncrowded(blocks(vectors, vectors, self.least_spectrum, within=True), len(shapes), None, self.crowd)
        return self._confirmed(found, shapes, shapes)

    def across(self, one: Shapes, other: Shapes) -> tuple[Pairs, Positions]:
        """Return the pairs of an image in `one` (first) and an image in `other` (second), and how they lie."""
        vectors = self._vectors(one), self._vectors(other)
        found = uncrowded(blocks(*vectors, self.least_spectrum, within=False), len(one), len(other), self.crowd)
        return self._confirmed(found, one, other)

    def _vectors(self, shapes: Shapes) -> NDArray[np.float32]:
        return _standard(shapes, self.mean, self.deviation)

    def _confirmed(self, pairs: Pairs, one: Shapes, other: Shapes) -> tuple[Pairs, Positions]:
        positions = _positions(pairs, one, other)
        likeness, center = _compared(pairs, positions, one, other)
        kept = (likeness >= self.least_likeness) & (center >= LEAST_CENTER)
        return Pairs(pairs.first, pairs.second, likeness).where(kept), positions.where(kept)


def learn(train: Shapes, least_unmoved: float) -> Search:
    """Return the search in a set with these training images.

    A sample of them says how alike the spectra of candidates are, for there to be so many; and the scale of the set is
    the median distance from an image of the sample to the nearest of its candidates. Fifty positions leave more room
    for chance than one, so nothing counts as alike that would not without being moved (`least_unmoved`).
    """
    mean, deviation = train.spectra.mean(axis=0), train.spectra.std(axis=0) + np.float32(1e-3)
    vectors = _standard(train, mean, deviation)
    sample = sampled(len(train))
    alike = vectors[sample] @ vectors.T
    alike[np.arange(len(sample)), sample] = -1
    wanted = int(np.clip(_IN_ALL // len(train), _FEWEST, _MOST))
    count = min(wanted, len(train) - 1)
    first = np.argpartition(alike, -count, axis=1)[:, -count:] if count else np.zeros((len(sample), 0), np.int64)
    least = float(np.quantile(alike, max(0.0, 1 - wanted / len(train)))) if count else 1.0
    pairs = Pairs(first.reshape(-1), np.repeat(sample, count), np.zeros(first.size, dtype=np.float32))
    likeness, _ = _compared(pairs, _positions(pairs, train, train), train, train)
    likeness[likeness > 1 - 1e-4] = -1  # copies
    nearest = likeness.reshape(len(sample), -1).max(axis=1, initial=-1)
    return Search(mean, deviation, max(least, 0.0), _CROWD * wanted, max(least_unmoved, least_of(nearest)))


def _standard(shapes: Shapes, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors of length 1 [N, D]: how each spectrum differs from the mean one; zeros for flat images."""
    flat = shapes.gray.reshape(len(shapes), -1).std(axis=1) <= FAINTEST
    return normalized((shapes.spectra - mean) / deviation, flat)


def _transformed(gray: NDArray[np.uint8]) -> NDArray[np.complex64]:
    """Return the Fourier transforms [N, h, w // 2 + 1] of pictures [N, h, w] that fade towards their border."""
    down, across = (np.sin(np.pi * (np.arange(side) + 0.5) / side) for side in gray.shape[1:])
    window = np.outer(down, across).astype(np.float32)
    level = (gray * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    found: NDArray[np.complex64] = fft.rfft2((gray - level) * window)
    return found


def _spectra(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return sums and differences [N, D] of the amplitudes of waves that lean to one side and to the other."""
    size = np.abs(_transformed(gray)) ** np.float32(_POWER)
    most = min(_FREQUENCIES, gray.shape[1] // 2 + 1, size.shape[2])
    one, other = size[:, :most, :most], size[:, [0, *range(-1, -most, -1)], :most]
    together, apart = (one + other) / 2, np.abs(one - other)[:, 1:, 1:] / 2
    return np.concatenate([together.reshape(len(size), -1), apart.reshape(len(size), -1)], axis=1)


def _offsets(height: int, width: int) -> NDArray[np.int64]:
    """Return the shifts [S, 2] that are looked for: fewer where images are very small."""
    down, across = (min(REACH, side // 4) for side in (height, width))
    return np.array([(y, x) for y in range(-down, down + 1) for x in range(-across, across + 1)], dtype=np.int64)


def _positions(pairs: Pairs, one: Shapes, other: Shapes) -> Positions:
    """Return how the second image of each pair lies best on the first."""
    height, width = one.gray.shape[1:]
    offsets = _offsets(height, width)
    radius = np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width) ** 2
    edges = (radius * np.exp(-radius / (2 * _SHARPNESS**2))).astype(np.float32)
    best = np.zeros(len(pairs), dtype=np.int64)
    for at in range(0, len(pairs), _AT_ONCE):
        first = _transformed(one.gray[pairs.first[at : at + _AT_ONCE]]) * edges
        second = other.gray[pairs.second[at : at + _AT_ONCE]]
        peaks = [
            fft.irfft2(first * _transformed(each).conj(), (height, width))[:, offsets[:, 0], offsets[:, 1]]
            for each in (second, second[:, :, ::-1])
        ]
        best[at : at + _AT_ONCE] = np.concatenate(peaks, axis=1).argmax(axis=1)
    return Positions(best >= len(offsets), offsets[best % len(offsets)])


def _compared(
    pairs: Pairs, positions: Positions, one: Shapes, other: Shapes
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the likeness of edges and of middles [M] where the images of each pair overlap; 0 of unmoved ones."""
    likeness, center = np.zeros(len(pairs), dtype=np.float32), np.zeros(len(pairs), dtype=np.float32)
    codes = np.column_stack([positions.mirrored, positions.shift])
    for mirrored, y, x in np.unique(codes, axis=0).tolist():
        if not (mirrored or y or x):
            continue
        places = np.flatnonzero((codes == (mirrored, y, x)).all(axis=1))
        for at in range(0, len(places), _AT_ONCE):
            chosen = places[at : at + _AT_ONCE]
            second = other.gray[pairs.second[chosen]]
            laid = _overlap(one.gray[pairs.first[chosen]], y, x)
            under = _overlap(second[:, :, ::-1] if mirrored else second, -y, -x)
            likeness[chosen] = np.einsum("md,md->m", laid.edges, under.edges)
            center[chosen] = np.einsum("md,md->m", laid.center, under.center)
    return likeness, center


def _overlap(gray: NDArray[np.uint8], y: int, x: int) -> Vectors:
    """Return the vectors of what pictures [M, h, w] share with one that is shifted, as fine as those of thumbnails."""
    height, width = gray.shape[1:]
    part = gray[:, max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)].astype(np.float32)
    if max(height, width) <= SIDE:
        return vectors_from(part)
    four = part[:, 1:, 1:] + part[:, :-1, 1:] + part[:, 1:, :-1] + part[:, :-1, :-1]
    return vectors_from((four / 4).astype(np.float32), step=2)
