"""Which variants answered the same images, and how each image went for each of their cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts.metrics import TEST_ACCURACY, TEST_ECE, TEST_LOSS, TEST_MACRO_F1
from harness.measure.crossed import Answers, Components, components
from harness.measure.per_image import calibration_values, macro_f1_values
from harness.measure.standard_errors import SeedSpread, seed_spread
from harness.report.predictions import Images, Predicted, PredictionFiles
from harness.report.variants import Variant, dataset_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_IMAGES: Final = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """A variant on some images: what it had right, and the components of its other figures, by metric."""

    variant: Variant
    answers: Answers
    figures: Mapping[str, Components]


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Variants that answered the same images, with what is known of their accuracies; all in the same order."""

    dataset: str
    split: str
    members: tuple[Measured, ...]
    found: Components
    spread: SeedSpread
    places: Mapping[tuple[str, ...], int]
    """By the keys of a variant's cells."""

    @property
    def answers(self) -> tuple[Answers, ...]:
        """What each member had right."""
        return tuple(each.answers for each in self.members)

    def place(self, variant: Variant) -> int | None:
        """Return where a variant, or another name of the same cells, stands; None where it takes no part."""
        return self.places.get(variant.cells)


def image_sets(variants: Sequence[Variant], files: PredictionFiles, split: str) -> tuple[ImageSet, ...]:
    """Return the variants that have predictions of a split ("test" or "val"), grouped by the images, largest first.

    Of a variant whose cells answered different images, those with the images of its first count.
    """
    groups: dict[tuple[str, Images], list[Measured]] = defaultdict(list)
    for variant in variants:
        read = [each for entry in variant.finished if (each := files.of(entry, split)) is not None]
        same = [each for each in read if each.images is read[0].images]
        if same and len(same[0].predicted) >= FEWEST_IMAGES:
            groups[dataset_name(variant.cell.dataset), same[0].images].append(_measured(variant, same))
    found = [_image_set(dataset, split, members) for (dataset, _), members in groups.items()]
    return tuple(sorted(found, key=lambda each: -len(each.members)))


def left_out(variants: Sequence[Variant], sets: Sequence[ImageSet]) -> Mapping[str, list[str]]:
    """Return the variants that take part in no image set of the test split, by the reason why."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for variant in variants:
        if all(each.place(variant) is None for each in sets):
            reasons[_why(variant)].append(variant.name)
    return reasons


def _image_set(dataset: str, split: str, members: Sequence[Measured]) -> ImageSet:
    found = components([each.answers for each in members])
    places = {each.variant.cells: place for place, each in enumerate(members)}
    return ImageSet(dataset, split, tuple(members), found, seed_spread(found), places)


def _measured(variant: Variant, said: Sequence[Predicted]) -> Measured:
    values = [_values(each) for each in said]
    metrics = [metric for metric in values[0] if all(metric in each for each in values)]
    seeds = [each.seed for each in said]
    answers = {metric: _answers(seeds, [each[metric] for each in values]) for metric in metrics}
    right = answers.pop(TEST_ACCURACY)
    return Measured(variant, right, {metric: components([each]) for metric, each in answers.items()})


def _answers(seeds: Sequence[int], each: Sequence[NDArray[np.bool_] | NDArray[np.floating]]) -> Answers:
    """Return the answers of all seeds, of the first alone where seeds make no difference: one fitted model."""
    values: NDArray[np.floating] = np.stack(each)
    kept = 1 if (values == values[0]).all() else len(seeds)
    return Answers(tuple(seeds[:kept]), values[:kept])


def _values(said: Predicted) -> Mapping[str, NDArray[np.bool_] | NDArray[np.floating]]:
    """Return what each image adds to each figure, [N], by metric."""
    right = said.right
    f1 = macro_f1_values(said.predicted, said.images.labels, len(said.classes))
    values: dict[str, NDArray[np.bool_] | NDArray[np.floating]] = {TEST_ACCURACY: right, TEST_MACRO_F1: f1}
    if said.losses is not None and said.confidence is not None:
        values |= {TEST_LOSS: said.losses, TEST_ECE: calibration_values(said.confidence, right)}
    return values


def _why(variant: Variant) -> str:
    if variant.cell.test == "never":
        return "its test set is sealed"
    if not variant.finished:
        return "no finished cell"
    if not any(entry.tag("test") == "opened" for entry in variant.finished):
        return "its test set was not opened"
    return "no test predictions in the store"
