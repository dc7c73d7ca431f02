"""Variants side by side on the images that all of them classified."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.report.predictions import Images, Predicted, PredictionFiles
from harness.report.variants import Variant, dataset_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_SEEDS: Final = 5
"""Of a variant; more would tell the same again."""


@dataclass(frozen=True, slots=True)
class Member:
    """A variant with what its cells said, one a seed."""

    variant: Variant
    said: tuple[Predicted, ...]

    @property
    def is_constant(self) -> bool:
        """Whether it says one class of every image."""
        return all((each.predicted == each.predicted[0]).all() for each in self.said)


@dataclass(frozen=True, slots=True)
class Panel:
    """Variants that classified the same images of a split ("test" or "val")."""

    dataset: str
    split: str
    classes: tuple[str, ...]
    images: Images
    members: tuple[Member, ...]
    constant: tuple[str, ...] = ()
    """Variants that say one class of every image: what they get wrong tells nothing of an image, so they are out."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """True classes [N]."""
        return self.images.labels


def panels(variants: Sequence[Variant], files: PredictionFiles) -> tuple[Panel, ...]:
    """Return the groups of variants that classified the same images, the largest first.

    Of a variant the cells are taken whose test set was opened; where there is none, its validation predictions.
    """
    groups: dict[tuple[str, str, tuple[str, ...], Images], list[Member]] = defaultdict(list)
    for variant in variants:
        opened = [entry for entry in variant.finished if entry.tag("test") == "opened"]
        split = "test" if opened else "val"
        entries = (opened or variant.finished)[:MOST_SEEDS]
        said = [each for entry in entries if (each := files.of(entry, split)) is not None]
        if said:
            first = said[0]
            same = tuple(each for each in said if each.images is first.images)
            key = (variant.cell.dataset.images, split, first.classes, first.images)
            groups[key].append(Member(variant, same))
    found = [_panel(split, classes, images, group) for (_, split, classes, images), group in groups.items()]
    return tuple(sorted(found, key=lambda panel: -len(panel.members)))


def _panel(split: str, classes: tuple[str, ...], images: Images, group: Sequence[Member]) -> Panel:
    return Panel(
        dataset=dataset_name(group[0].variant.cell.dataset),
        split=split,
        classes=classes,
        images=images,
        members=tuple(member for member in group if not member.is_constant),
        constant=tuple(member.variant.name for member in group if member.is_constant),
    )
