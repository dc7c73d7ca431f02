"""Images that are there twice, within and across splits: the same pixels, or nearly the same picture.

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

Copies that are shifted, mirrored or strongly cropped are not found, nor those with a plain middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from harness.contracts import Frozen, LabeledImages
from harness.phases import advance

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


def _pairs(first: NDArray[np.int64], second: NDArray[np.int64]) -> Pairs:
    return Pairs(first.astype(np.int64), second.astype(np.int64), np.ones(len(second), dtype=np.float32))


def _blocks(one: NDArray[np.float32], other: NDArray[np.float32], least: float, within: bool) -> Iterator[Pairs]:
    for row in range(0, len(one), _ROWS):
        for column in range(row if within else 0, len(other), _COLUMNS):
            likeness = one[row : row + _ROWS] @ other[column : column + _COLUMNS].T
            rows, columns = np.nonzero(likeness >= least)
            pairs = Pairs(rows + row, columns + column, likeness[rows, columns])
            advance()
            yield pairs.where(pairs.first < pairs.second) if within else pairs


def comparisons(train: int, test: int) -> int | None:
    """Return in how many steps so many images are compared for near duplicates, None where they are too many."""
    if train + test > MOST_IMAGES:
        return None
    within = sum(-(-(count - row) // _COLUMNS) for count in (train, test) for row in range(0, count, _ROWS))
    return within + -(-train // _ROWS) * -(-test // _COLUMNS)


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


MOST_IMAGES: Final = 200_000
"""With more images near duplicates are not searched: the time grows with the square."""
EXAMPLES: Final = 20
TOLERATED: Final = 0.001
"""Share of the test images that may be exact duplicates of training images: see `harness.audit.leakage` for why."""


TOLERATED_NEAR: Final = 0.05
"""The same of near duplicates, which leave the exact ones out."""


class Twin(Frozen):
    """Two images that are the same: positions in their splits, class names, likeness (1 is equal).

    Files are named where the source has any (see `Source.names`).
    """

    first: int
    second: int
    first_class: str
    second_class: str
    likeness: float
    first_file: str = ""
    second_file: str = ""

    @property
    def across(self) -> str:
        """It in words, where `first` is in train and `second` in test.

        >>> Twin(first=3, second=5, first_class="cat", second_class="dog", likeness=1, second_file="dog/7.png").across
        'test image dog/7.png (dog) equals train image 3 (cat)'
        """
        alike = "equals" if self.likeness == 1 else f"is nearly ({self.likeness:.2f})"
        test, train = self.second_file or self.second, self.first_file or self.first
        return f"test image {test} ({self.second_class}) {alike} train image {train} ({self.first_class})"


class Twins(Frozen):
    """Duplicates of one kind.

    `images` counts the images that have an earlier twin; across splits, the test images that have
    one in train. `disagreeing` counts those of them with a twin of another class.
    """

    images: int = 0
    pairs: int = 0
    disagreeing: int = 0
    examples: tuple[Twin, ...] = ()
    """The most alike, `first` before `second`; across splits `first` is in train."""


class Leakage(Frozen):
    """Duplicates within and across splits; `near` ones leave the exact ones out."""

    checked: bool
    """Whether train and test were compared."""
    reason: str = ""
    """Why they were not, or why near duplicates were not searched."""
    exact_within_train: Twins = Twins()
    near_within_train: Twins = Twins()
    exact_within_test: Twins = Twins()
    near_within_test: Twins = Twins()
    exact_across: Twins = Twins()
    near_across: Twins = Twins()
    test_images: int | None = None
    """How many test images were compared."""
    least_likeness: float | None = None
    """The likeness from which pairs of this set count as near """


def find_leakage(classes: tuple[str, ...], train: LabeledImages, test: LabeledImages | None, reason: str) -> Leakage:
    """Compare all images with all others; `reason` says why there is no test split."""
    count = len(train) + (len(test) if test else 0)
    searches_near = count <= MOST_IMAGES
    one = _look(train, searches_near)
    other = _look(test, searches_near) if test else None
    least = least_likeness(one.vectors.edges) if one.vectors else None
    if not searches_near:
        reason = f"{reason}; near duplicates are searched in at most {MOST_IMAGES:,} images".removeprefix("; ")
    found = {
        "exact_within_train": _exact_twins(one, None, classes),
        "near_within_train": _near(one, None, classes, least),
    }
    if other is not None:
        found |= {
            "exact_within_test": _exact_twins(other, None, classes),
            "near_within_test": _near(other, None, classes, least),
            "exact_across": _exact_twins(one, other, classes),
            "near_across": _near(one, other, classes, least),
        }
    test_images = len(test) if test else None
    return Leakage(checked=other is not None, reason=reason, test_images=test_images, least_likeness=least, **found)


@dataclass(frozen=True, slots=True)
class _Looked:
    labels: NDArray[np.int64]
    digests: NDArray[np.bytes_]
    vectors: Vectors | None


def with_names(found: Leakage, train: Sequence[str], test: Sequence[str]) -> Leakage:
    """Return the same with the files of its examples named; `train` and `test` [N] are empty where there are none."""
    of = {"train": train, "test": test}
    sides = {"within_train": ("train", "train"), "within_test": ("test", "test"), "across": ("train", "test")}
    changed = {}
    for kind in ("exact", "near"):
        for where, (first, second) in sides.items():
            twins: Twins = getattr(found, f"{kind}_{where}")
            named = tuple(_named(twin, of[first], of[second]) for twin in twins.examples)
            changed[f"{kind}_{where}"] = twins.model_copy(update={"examples": named})
    return found.model_copy(update=changed)


def _named(twin: Twin, first: Sequence[str], second: Sequence[str]) -> Twin:
    files = {"first_file": first[twin.first] if first else "", "second_file": second[twin.second] if second else ""}
    return twin.model_copy(update=files)


def _look(images: LabeledImages, with_vectors: bool) -> _Looked:
    vectors = vectors_of(images.images) if with_vectors else None
    return _Looked(images.labels, digests(images.images), vectors)


def _exact_twins(one: _Looked, other: _Looked | None, classes: tuple[str, ...]) -> Twins:
    if other is None:
        return _twins(exact_within(one.digests), one, one, classes)
    return _twins(exact_across(one.digests, other.digests), one, other, classes)


def _near(one: _Looked, other: _Looked | None, classes: tuple[str, ...], least: float | None) -> Twins:
    second = one if other is None else other
    if one.vectors is None or second.vectors is None or least is None:
        return Twins()
    pairs = near_within(one.vectors, least) if other is None else near_across(one.vectors, second.vectors, least)
    unequal = one.digests[pairs.first] != second.digests[pairs.second]
    return _twins(pairs.where(unequal), one, second, classes)


def _twins(pairs: Pairs, one: _Looked, other: _Looked, classes: tuple[str, ...]) -> Twins:
    disagree = one.labels[pairs.first] != other.labels[pairs.second]
    best = np.argsort(-pairs.likeness, kind="stable")[:EXAMPLES]
    examples = tuple(
        Twin(
            first=int(pairs.first[each]),
            second=int(pairs.second[each]),
            first_class=classes[one.labels[pairs.first[each]]],
            second_class=classes[other.labels[pairs.second[each]]],
            likeness=round(float(pairs.likeness[each]), 4),
        )
        for each in best
    )
    return Twins(
        images=len(np.unique(pairs.second)),
        pairs=len(pairs),
        disagreeing=len(np.unique(pairs.second[disagree])),
        examples=examples,
    )
