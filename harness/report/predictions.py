"""What each cell predicted, image by image, and which variants answered the same images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

from harness.contracts.metrics import TEST_WORST_GROUP, metric_of
from harness.measure.crossed import Answers, Components, components
from harness.measure.predictions import SCORE, Predictions, read_predictions
from harness.measure.scores import image_values, log_softmax
from harness.report.store import Entry, ReportStore
from harness.report.variants import BY_ACCURACY, Ranking, Variant, dataset_name

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


MOST_KEPT: Final = 256
"""Files whose content is kept for a second use: the first ones, which are those of the best variants."""


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Places in the source's split and true classes, int64 [N]; the same images are the same object."""

    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    """Each image's group as a number from 0, [N], where groups are known and there are two at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What one cell said of N images: classes int64 [N]; of scores that are logits more."""

    run_id: str
    seed: int
    classes: tuple[str, ...]
    images: Images
    predicted: NDArray[np.int64]
    ranks: NDArray[np.int64]
    """How many classes have a higher score than the true one [N]: 0 where it is right."""
    confidence: NDArray[np.float64] | None
    """Probability of the predicted class [N]; None for margins."""
    values: Mapping[str, NDArray[np.bool_] | NDArray[np.float64]]
    """What each image adds to each figure [N], by the last part of its metric's name (`image_values`)."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image's class was found [N]."""
        return np.asarray(self.predicted == self.images.labels)


@dataclass(frozen=True, slots=True)
class PredictionFiles:
    """The prediction files of a store. A test set that was not opened for a cell has none."""

    store: ReportStore
    _kept: dict[tuple[str, str], Predicted | None] = field(default_factory=dict)
    _images: dict[bytes, Images] = field(default_factory=dict)

    def of(self, entry: Entry, split: str) -> Predicted | None:
        """Return what a cell said of a split ("test", "test_NAME" or "val"), None where the store has nothing of it."""
        key = entry.planned.id, split
        if key in self._kept:
            return self._kept[key]
        path = self._path(entry, split)
        found = None if path is None else self._predicted(entry, split, read_predictions(path))
        if len(self._kept) < MOST_KEPT:
            self._kept[key] = found
        return found

    def size(self, entry: Entry, split: str) -> tuple[int, int] | None:
        """Return the numbers of images and of classes, from the file's head alone."""
        path = self._path(entry, split)
        if path is None:
            return None
        file = pq.ParquetFile(path)
        return file.metadata.num_rows, sum(name.startswith(SCORE) for name in file.schema_arrow.names)

    def commonest(self, entry: Entry, split: str) -> float:
        """Return the share of a split's commonest class, from the labels alone; 0 where the store has nothing of it."""
        path = self._path(entry, split)
        if path is None:
            return 0.0
        labels = pq.ParquetFile(path).read(columns=["label"]).column("label").to_numpy()
        return float(np.bincount(labels).max() / len(labels)) if len(labels) else 0.0

    def _path(self, entry: Entry, split: str) -> Path | None:
        if entry.run is None or (split != "val" and entry.tag("test") != "opened"):
            return None
        return self.store.artifact(entry.run.run_id, f"predictions/{split}.parquet")

    def _predicted(self, entry: Entry, split: str, found: Predictions) -> Predicted:
        is_logit = any(entry.metric(f"{split}/{name}") is not None for name in ("loss", "ece"))
        logs = log_softmax(found.scores) if is_logit else None
        groups = None if found.groups is None else np.unique(found.groups, return_inverse=True)[1]
        groups = groups if groups is not None and groups.max(initial=0) > 0 else None
        key = found.index.tobytes() + found.labels.tobytes() + (b"" if groups is None else groups.tobytes())
        key += f"{split} {entry.tag('test_fingerprint')}".encode() if split != "val" else b""
        return Predicted(
            run_id=entry.run.run_id if entry.run is not None else "",
            seed=entry.seed,
            classes=found.classes,
            images=self._images.setdefault(key, Images(found.index, found.labels, groups)),
            predicted=found.predicted,
            ranks=found.ranks,
            confidence=None if logs is None else np.exp(logs.max(axis=1)),
            values=image_values(found.scores, found.labels, is_logit, groups),
        )


FEWEST_IMAGES: Final = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """A variant on some images: each image's part in the figure that ranks, and the components of all, by metric."""

    variant: Variant
    answers: Answers
    figures: Mapping[str, Components]
    seeds: int
    """How many seeds answered; of answers that are all the same one is kept."""

    @property
    def is_one_fit(self) -> bool:
        """Whether there is one seed alone: nothing is known of what another seed would give."""
        return self.seeds == 1


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Variants that answered the same images, with what is known of the figure that ranks; all in the same order."""

    dataset: str
    split: str
    images: Images
    members: tuple[Measured, ...]
    found: Components
    places: Mapping[tuple[str, ...], int]
    """By the keys of a variant's cells."""
    ranking: Ranking = BY_ACCURACY

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """What is drawn as a whole, [N]; None where each image is."""
        return _drawn_together(self.ranking.test, self.images)

    @property
    def answers(self) -> tuple[Answers, ...]:
        """Each member's values of the figure that ranks: what it had right, where that is accuracy."""
        return tuple(each.answers for each in self.members)

    def place(self, variant: Variant) -> int | None:
        """Return where a variant, or another name of the same cells, stands; None where it takes no part."""
        return self.places.get(variant.cells)


def image_sets(
    variants: Sequence[Variant], files: PredictionFiles, split: str, by: Ranking = BY_ACCURACY
) -> tuple[ImageSet, ...]:
    """Return the variants that have predictions of a split ("test" or "val"), grouped by the images, largest first.

    Of a variant whose cells answered different images, those with the images of its first count. Variants that cannot
    have the figure to rank by, such as a loss without probabilities, are in no set.
    """
    groups: dict[tuple[str, Images], list[Measured]] = defaultdict(list)
    for variant in variants:
        read = [each for entry in variant.finished if (each := files.of(entry, split)) is not None]
        same = [each for each in read if each.images is read[0].images]
        if same and len(same[0].predicted) >= FEWEST_IMAGES and all(by.name in each.values for each in same):
            groups[dataset_name(variant.cell.dataset), same[0].images].append(_measured(variant, same, by))
    found = [_image_set(dataset, split, images, members, by) for (dataset, images), members in groups.items()]
    return tuple(sorted(found, key=lambda each: -len(each.members)))


def left_out(
    variants: Sequence[Variant], sets: Sequence[ImageSet], by: Ranking = BY_ACCURACY
) -> Mapping[str, list[str]]:
    """Return the variants that take part in no image set of the test split, by the reason why."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for variant in variants:
        if all(each.place(variant) is None for each in sets):
            reasons[_why(variant, by)].append(variant.name)
    return reasons


def _image_set(dataset: str, split: str, images: Images, members: Sequence[Measured], by: Ranking) -> ImageSet:
    found = components([each.answers for each in members], _drawn_together(by.test, images))
    places = {each.variant.cells: place for place, each in enumerate(members)}
    return ImageSet(dataset, split, images, tuple(members), found, places, by)


def _measured(variant: Variant, said: Sequence[Predicted], by: Ranking) -> Measured:
    names = [name for name in said[0].values if all(name in each.values for each in said)]
    seeds = [each.seed for each in said]
    answers = {f"test/{name}": _answers(seeds, [each.values[name] for each in said]) for name in names}
    groups = {metric: _drawn_together(metric, said[0].images) for metric in answers}
    figures = {metric: components([each], groups[metric]) for metric, each in answers.items()}
    return Measured(variant, answers[by.test], figures, len(said))


def _drawn_together(metric: str, images: Images) -> NDArray[np.int64] | None:
    """Return the groups that are drawn as a whole; of the worst group its images are, for it is that group's figure."""
    return None if metric == TEST_WORST_GROUP else images.groups


def _answers(seeds: Sequence[int], each: Sequence[NDArray[np.bool_] | NDArray[np.floating]]) -> Answers:
    """Return the answers of all seeds, of the first alone where seeds make no difference: one fitted model."""
    values: NDArray[np.floating] = np.stack(each)
    kept = 1 if (values == values[0]).all() else len(seeds)
    return Answers(tuple(seeds[:kept]), values[:kept])


def _why(variant: Variant, by: Ranking) -> str:
    if variant.cell.test == "never":
        return "its test set is sealed"
    if not variant.finished:
        return "no finished cell"
    if not any(entry.tag("test") == "opened" for entry in variant.finished):
        return "its test set was not opened"
    if by != BY_ACCURACY:
        return f"its predictions do not give {metric_of(by.test).words}, which ranks: {lacking(by.test)}"
    return "no test predictions in the store"


def lacking(metric: str) -> str:
    """Return why a finished variant has no figure of its test images."""
    if metric_of(metric).needs_probabilities:
        return "its scores are not probabilities"
    if metric == TEST_WORST_GROUP:
        return "no groups are known"
    return "it has none for these classes and images"


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
