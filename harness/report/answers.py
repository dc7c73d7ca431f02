"""Which variants answered the same images, and how each image went for each of their cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

from harness.contracts.metrics import TEST_ACCURACY, TEST_ECE, TEST_LOSS, TEST_MACRO_F1
from harness.measure.crossed import Answers, Components, components
from harness.measure.per_image import calibration_values, loss_values, macro_f1_values
from harness.measure.scores import log_softmax
from harness.measure.standard_errors import SeedSpread, seed_spread
from harness.report.gather import Entry
from harness.report.records import ReportStore
from harness.report.variants import Variant, dataset_name

if TYPE_CHECKING:
    from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class _Read:
    """A cell's answers: `images` tells the images and their labels, `values` are by metric and image."""

    seed: int
    images: bytes
    values: Mapping[str, NDArray[np.bool_] | NDArray[np.floating]]


def image_sets(variants: Sequence[Variant], store: ReportStore, split: str) -> tuple[ImageSet, ...]:
    """Return the variants that have predictions of a split ("test" or "val"), grouped by the images, largest first.

    Of a variant whose cells answered different images, those with the images of its first count.
    """
    groups: dict[tuple[str, bytes], list[Measured]] = defaultdict(list)
    for variant in variants:
        read = [each for entry in variant.finished if (each := _read(entry, split, store)) is not None]
        same = [each for each in read if each.images == read[0].images]
        if same and same[0].values[TEST_ACCURACY].size >= FEWEST_IMAGES:
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


def _measured(variant: Variant, read: Sequence[_Read]) -> Measured:
    metrics = [metric for metric in read[0].values if all(metric in each.values for each in read)]
    answers = {metric: _answers(metric, read) for metric in metrics}
    right = answers.pop(TEST_ACCURACY)
    return Measured(variant, right, {metric: components([each]) for metric, each in answers.items()})


def _answers(metric: str, read: Sequence[_Read]) -> Answers:
    """Return the answers of all seeds, of the first alone where seeds make no difference: one fitted model."""
    values: NDArray[np.floating] = np.stack([each.values[metric] for each in read])
    kept = 1 if (values == values[0]).all() else len(read)
    return Answers(tuple(each.seed for each in read[:kept]), values[:kept])


def _read(entry: Entry, split: str, store: ReportStore) -> _Read | None:
    if entry.run is None or (split == "test" and entry.tag("test") != "opened"):
        return None
    path = store.artifact(entry.run.run_id, f"predictions/{split}.parquet")
    return None if path is None else _values_in(path, entry, is_logit=entry.metric(TEST_LOSS) is not None)


def _values_in(path: Path, entry: Entry, *, is_logit: bool) -> _Read:
    table = pq.read_table(path)
    index, labels = (table[name].to_numpy() for name in ("index", "label"))
    scores = np.stack([table[name].to_numpy() for name in table.column_names if name.startswith("score_")], axis=1)
    predicted = scores.argmax(axis=1)
    right = predicted == labels
    values = {TEST_ACCURACY: right, TEST_MACRO_F1: macro_f1_values(predicted, labels, scores.shape[1])}
    if is_logit:
        confidence = np.exp(log_softmax(scores).max(axis=1))
        values |= {TEST_LOSS: loss_values(scores, labels), TEST_ECE: calibration_values(confidence, right)}
    return _Read(entry.seed, index.tobytes() + labels.tobytes(), values)


def _why(variant: Variant) -> str:
    if variant.cell.test == "never":
        return "its test set is sealed"
    if not variant.finished:
        return "no finished cell"
    if not any(entry.tag("test") == "opened" for entry in variant.finished):
        return "its test set was not opened"
    return "no test predictions in the store"
