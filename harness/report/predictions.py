"""What each cell predicted, image by image, for the cells that classified the same images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

from harness.measure.scores import log_softmax
from harness.report.gather import Entry
from harness.report.records import ReportStore
from harness.report.variants import Variant, dataset_name

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MOST_SEEDS: Final = 5
"""Of a variant; more would tell the same again."""
SCORE: Final = "score_"


@dataclass(frozen=True, slots=True)
class Said:
    """What one cell said of N images: classes int64 [N], confidence [N] in [0, 1] (None for margins)."""

    run_id: str
    seed: int
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Member:
    """A variant with what its cells said, one a seed."""

    variant: Variant
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Variants that classified the same images: `index` [N] in the source's split, true classes `labels` [N]."""

    dataset: str
    images: str
    """Which data set, as JSON."""
    split: str
    classes: tuple[str, ...]
    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    members: tuple[Member, ...]
    constant: tuple[str, ...] = ()
    """Variants that say one class of every image: what they get wrong tells nothing of an image, so they are out."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A predictions file."""

    split: str
    classes: tuple[str, ...]
    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    said: Said


def panels(variants: Sequence[Variant], store: ReportStore) -> tuple[Panel, ...]:
    """Return the groups of variants that classified the same images, the largest first.

    Of a variant the cells are taken whose test set was opened; where there is none, its validation predictions.
    """
    groups: dict[tuple[str, str, tuple[str, ...], bytes], list[tuple[Variant, list[_Read]]]] = defaultdict(list)
    for variant in variants:
        opened = [entry for entry in variant.finished if entry.tag("test") == "opened"]
        split = "test" if opened else "val"
        read = [each for entry in (opened or variant.finished)[:MOST_SEEDS] if (each := _read(entry, split, store))]
        if read:
            first = read[0]
            same = [each for each in read if np.array_equal(each.index, first.index)]
            key = (variant.cell.dataset.images, split, first.classes, first.index.tobytes())
            groups[key].append((variant, same))
    found = [_panel(images, group) for (images, *_), group in groups.items()]
    return tuple(sorted(found, key=lambda panel: -len(panel.members)))


def _panel(images: str, group: Sequence[tuple[Variant, list[_Read]]]) -> Panel:
    variant, (first, *_) = group[0]
    members = [Member(each, tuple(one.said for one in read)) for each, read in group]
    return Panel(
        dataset=dataset_name(variant.cell.dataset),
        images=images,
        split=first.split,
        classes=first.classes,
        index=first.index,
        labels=first.labels,
        members=tuple(member for member in members if not _is_constant(member)),
        constant=tuple(member.variant.name for member in members if _is_constant(member)),
    )


def _is_constant(member: Member) -> bool:
    return all((each.predicted == each.predicted[0]).all() for each in member.said)


def _read(entry: Entry, split: str, store: ReportStore) -> _Read | None:
    path = store.artifact(entry.run.run_id, f"predictions/{split}.parquet") if entry.run is not None else None
    if path is None or entry.run is None:
        return None
    classes, index, labels, scores = _columns(path)
    is_probability = entry.metric(f"{split}/ece") is not None
    confidence = np.exp(log_softmax(scores).max(axis=1)) if is_probability else None
    said = Said(entry.run.run_id, entry.seed, scores.argmax(axis=1), confidence)
    return _Read(split, classes, index, labels, said)


def _columns(path: Path) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    table = pq.read_table(path)
    names = [name for name in table.column_names if name.startswith(SCORE)]
    scores = np.stack([table[name].to_numpy() for name in names], axis=1)
    index, labels = (table[name].to_numpy() for name in ("index", "label"))
    return tuple(name.removeprefix(SCORE) for name in names), index, labels, scores
