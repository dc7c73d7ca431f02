"""Images, labels and splits as they cross borders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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

    def __len__(self) -> int:
        return len(self.labels)


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
