"""Images, labels and splits as they cross borders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MOST_MEGAPIXELS: Final = 179
"""Images of more million pixels are refused, unless the source's option `most_megapixels` says otherwise."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a model must know to be built: classes, image shape, channel statistics."""

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    """Height, width, channels; channels is 1 or 3."""
    mean: tuple[float, ...]
    """One a channel, of pixels scaled to [0, 1], over the images that are fitted on."""
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the training images look like; test images must be the same."""

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    """Height, width, channels; channels is 1 or 3."""


@dataclass(frozen=True, slots=True)
class LabeledImages:
    """Images uint8 [N, H, W, C] (may be memory-mapped, read-only), labels int64 [N].

    `index` int64 [N] is each image's position in its source's split, so that a prediction can
    always be traced to its image. `groups` names each image's group where the source has groups.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    index: NDArray[np.int64]
    groups: NDArray[np.str_] | None = None
    fingerprint: str = ""
    """Digest of the whole split as decoded, where it was read from the cache: images, labels, class names."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class SealedSet:
    """Which test set: by its files, which are read without decoding a pixel, and by its images once they were decoded.

    Several test sets that are opened together are one, see `harness.data.seal.together`.
    What is unknown is empty, so all of it for runs of earlier versions and where the files are not at hand.
    """

    files: str = ""
    """Digest of what the raw files hold, see `Source.contents`."""
    fingerprint: str = ""
    """Digest of the split as decoded: images, labels, class names."""

    def is_same(self, other: SealedSet) -> bool | None:
        """Whether both are the same images with the same labels; None where that is unknown."""
        if self.fingerprint and other.fingerprint:
            return self.fingerprint == other.fingerprint
        if self.files and other.files:
            return self.files == other.files
        return None


UNKNOWN_SET: Final = SealedSet()


@dataclass(frozen=True, slots=True)
class Splits:
    """What fitting gets: there is no test split in it."""

    classes: tuple[str, ...]
    train: LabeledImages
    validation: LabeledImages
    fingerprint: str
    """Digest of the whole training split as decoded: images, labels, class names."""
    split_digest: str
    """Digest of which images were carved for validation."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Images uint8 [M, H, W, C] with their true and predicted classes [M]; rows of one kind are neighbors."""

    images: NDArray[np.uint8]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.true)


@dataclass(frozen=True, slots=True)
class Answers:
    """Some images whose class a classifier found, and some that it took for another."""

    right: Examples
    wrong: Examples
