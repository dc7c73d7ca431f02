"""What runs predicted: read from their artifacts, how much they agree, which answers changed from one to another."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

from harness.escape import from_csv, in_csv
from harness.measure.bootstrap import draw_shares
from harness.measure.crossed import Answers, components, errors_of_means, p_values
from harness.measure.paired import mcnemar
from harness.measure.scores import ranks_of_true

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.measure.scores import Scores


SCORE: Final = "score_"
GROUP: Final = "group"
"""The column that names each image's group, where groups are known."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Position in the source's split and true class of each image, int64 [N]; scores float32 [N, K]; K class names.

    `groups` [N] names each image's group where groups are known.
    """

    classes: tuple[str, ...]
    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    groups: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The class with the largest score [N], the first of equals."""
        return np.asarray(self.scores.argmax(axis=1), dtype=np.int64)

    @property
    def ranks(self) -> NDArray[np.int64]:
        """How many classes have a higher score than the true one [N], of equals those that come first."""
        return ranks_of_true(self.scores, self.labels)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image's class was found [N]."""
        return np.asarray(self.predicted == self.labels)


def read_predictions(path: Path) -> Predictions:
    """Return the predictions in the order in which they were written."""
    table = pq.ParquetFile(path).read()
    names = [name for name in table.column_names if name.startswith(SCORE)]
    scores = np.stack([table.column(name).to_numpy() for name in names], axis=1).astype(np.float32)
    classes = tuple(name.removeprefix(SCORE) for name in names)
    groups = np.array(table.column(GROUP).to_pylist(), dtype=np.str_) if GROUP in table.column_names else None
    return Predictions(classes, table.column("index").to_numpy(), table.column("label").to_numpy(), scores, groups)


CORNER = "true/predicted"


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts int64 [K, K] (row = true class, column = predicted class) and the K class names."""

    classes: tuple[str, ...]
    counts: NDArray[np.int64]


def write_confusion(confusion: NDArray[np.int64], classes: Sequence[str], path: Path) -> None:
    """Write counts [K, K] as CSV: one row a true class, one column a predicted class."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([CORNER, *map(in_csv, classes)])
        table.writerows([in_csv(name), *row] for name, row in zip(classes, confusion.tolist(), strict=True))


def read_confusion(path: Path) -> Confusion:
    """Read what `write_confusion` wrote.

    Raises:
        ValueError: the file is no such table.
    """
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file)) or [[]]
    classes = tuple(map(from_csv, head[1:]))
    counts = np.array([[int(value) for value in row[1:]] for row in rows], dtype=np.int64)
    if not classes or counts.shape != (len(classes), len(classes)):
        raise ValueError(f"{path}: not a square table of counts with class names")
    return Confusion(classes, counts)


def write_class_report(scores: Scores, classes: Sequence[str], path: Path) -> None:
    """Write accuracy, macro-F1 and each class's precision, recall, F1 and support as JSON."""
    each = scores.per_class
    rows = zip(classes, each.precision, each.recall, each.f1, each.support, strict=True)
    report = {
        "accuracy": scores.accuracy,
        "macro_f1": scores.macro_f1,
        "classes": [
            {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for name, p, r, f, n in rows
        ],
    }
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Between two classifiers: share of equal predictions in [0, 1], and Cohen's kappa in [-1, 1]."""

    equal: float
    kappa: float
    """NaN where both say one and the same class of every image: chance alone would agree then."""


def agreement(one: NDArray[np.integer], other: NDArray[np.integer], classes: int) -> Agreement:
    """Compare predicted classes [N] of the same N images, each in [0, classes).

    Kappa is (p - e) / (1 - e), p the share of equal predictions, e the share that two classifiers with these class
    frequencies would agree on by chance (Cohen 1960, "A Coefficient of Agreement for Nominal Scales", equation 1).
    """
    images = len(one)
    equal = float((one == other).mean())
    counts = [np.bincount(each, minlength=classes) / images for each in (one, other)]
    by_chance = float(counts[0] @ counts[1])
    return Agreement(equal, (equal - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan"))


def mean_agreement(
    some: Sequence[NDArray[np.integer]], others: Sequence[NDArray[np.integer]] | None, classes: int
) -> Agreement | None:
    """Return the mean over pairs, one of each group; without others over the pairs within the group.

    Each entry is the predicted classes [N] of one seed. None where there is no pair.
    """
    if others is None:
        pairs = [(one, other) for place, one in enumerate(some) for other in some[place + 1 :]]
    else:
        pairs = [(one, other) for one in some for other in others]
    found = [agreement(one, other, classes) for one, other in pairs]
    if not found:
        return None
    return Agreement(float(np.mean([each.equal for each in found])), float(np.mean([each.kappa for each in found])))


DRAWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two runs, A and B, on N images; the arrays hold rows of both runs' predictions."""

    count: int
    lost: NDArray[np.int64]
    """Right in A, wrong in B."""
    gained: NDArray[np.int64]
    """Wrong in A, right in B."""
    moved: NDArray[np.int64]
    """Wrong in both, with another answer."""
    groups: NDArray[np.int64] | None = None
    """Each image's group as a number from 0, [N], where groups are known and there are two at least."""

    @property
    def difference(self) -> float:
        """Accuracy of B less that of A."""
        return (len(self.gained) - len(self.lost)) / self.count

    @property
    def p_value(self) -> float:
        """Two-sided p-value of McNemar's exact test: of the images that one alone got right, as many are A's as B's.

        Where groups are known, of the paired test over groups (`harness.measure.crossed.components`).
        """
        if self.groups is None:
            return float(mcnemar(np.array(len(self.lost)), np.array(len(self.gained))))
        found = components([Answers((0,), self._added[None])], self.groups)
        return float(p_values(np.array([self.difference]), errors_of_means(found))[0])

    @property
    def _added(self) -> NDArray[np.float64]:
        """What each image adds to B's right answers less A's, [N]: 1, 0 or -1."""
        added = np.zeros(self.count)
        added[self.gained], added[self.lost] = 1, -1
        return added

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """Return the 95 % interval of the difference: percentiles of a paired bootstrap of the images, or whole groups.

        Efron and Tibshirani 1993, chapter 13. Drawing N images again is drawing how many of them are
        lost, gained and neither, so the counts are drawn at once.
        """
        if self.groups is not None:
            sums, sizes = np.bincount(self.groups, weights=self._added), np.bincount(self.groups).astype(np.float64)
            drawn = [(sums @ each, sizes @ each) for each in draw_shares(len(sizes), seed, DRAWS)]
            low, high = np.percentile(np.concatenate([total / size for total, size in drawn]), [2.5, 97.5])
            return float(low), float(high)
        shares = np.array([len(self.gained), len(self.lost), self.count - len(self.gained) - len(self.lost)])
        counts = np.random.default_rng(seed).multinomial(self.count, shares / self.count, size=DRAWS)
        low, high = np.percentile((counts[:, 0] - counts[:, 1]) / self.count, [2.5, 97.5])
        return float(low), float(high)


def changes(a: Predictions, b: Predictions) -> Changes:
    """Compare two runs' answers, row by row.

    Raises:
        ValueError: they are not of the same images; see `unlike`.
    """
    reason = unlike(a, b)
    if reason:
        raise ValueError(reason)
    differs = a.predicted != b.predicted
    numbers = None if a.groups is None else np.unique(a.groups, return_inverse=True)[1]
    return Changes(
        count=len(a),
        lost=np.flatnonzero(a.right & ~b.right),
        gained=np.flatnonzero(~a.right & b.right),
        moved=np.flatnonzero(~a.right & ~b.right & differs),
        groups=numbers if numbers is not None and numbers.max(initial=0) > 0 else None,
    )


def unlike(a: Predictions, b: Predictions) -> str:
    """Return why two runs' predictions are not of the same images; empty if they are."""
    if a.classes != b.classes:
        return f"the classes differ: {len(a.classes)} in A, {len(b.classes)} in B" + _first_class(a, b)
    if not np.array_equal(a.index, b.index):
        common = len(np.intersect1d(a.index, b.index))
        return f"other images: A has {len(a):,}, B has {len(b):,}, and {common:,} of them have the same index"
    wrong = np.flatnonzero(a.labels != b.labels)
    if len(wrong):
        where = f"{len(wrong):,} of {len(a):,} images, the first has index {a.index[wrong[0]]}"
        return f"the labels differ for {where}: not the same images"
    return ""


def _first_class(a: Predictions, b: Predictions) -> str:
    pairs = zip(a.classes, b.classes, strict=False)
    return next((f' ("{one}" in A is "{other}" in B)' for one, other in pairs if one != other), "")
