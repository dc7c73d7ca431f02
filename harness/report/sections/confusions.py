"""What is taken for what: F1 by class and model, top-5 accuracy, and each variant's confusion matrix."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from harness.charts.matrices import PERCENT_UP_TO, class_f1, confusion
from harness.escape import file_stem
from harness.measure.predictions import Confusion, read_confusion
from harness.measure.scores import class_scores
from harness.report.blocks import (
    Block,
    Charts,
    Column,
    Fold,
    Group,
    Images,
    Items,
    Picture,
    Section,
    Table,
    Text,
    Value,
    named,
)
from harness.report.context import Context
from harness.report.predictions import Predicted, PredictionFiles
from harness.report.store import Entry, ReportStore
from harness.report.variants import Variant, dataset_name, share_value
from harness.words import amount, percent, spread_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORST: Final = 5
GUESSES: Final = 5
FEWEST_CLASSES: Final = 10
"""With fewer classes five guesses are right nearly always."""
OPEN_UP_TO: Final = 30
"""Classes up to which F1 by class and model is shown at once; more are folded."""
SPLITS: Final = {"test": "test", "val": "validation"}
BLUE: Final = (70, 135, 200)
AMBER: Final = (222, 135, 40)
PICTURE_SIDE: Final = 500
EXPLAINED: Final = (
    "In the matrices rows are true classes and columns predicted ones: percent of the row and, where there is room, "
    "the count, summed over seeds. What is right is blue, what is wrong is amber."
)
CLASS_COLUMNS: Final = (
    Column("class", numeric=False),
    Column("images"),
    Column("precision %", hint="share of the images called so that are so"),
    Column("recall %", hint="share of the class's images that are called so"),
    Column("F1 %", hint="harmonic mean of both"),
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """Images of one class taken for another; `share` is of the true class's images."""

    true: str
    predicted: str
    count: int
    of: int

    @property
    def share(self) -> float:
        """Share of the true class's images."""
        return self.count / self.of


@dataclass(frozen=True, slots=True)
class Confusions:
    """Counts int64 [K, K] (row = true class) summed over `seeds` cells, on the `split` that they are of."""

    variant: Variant
    split: str
    seeds: int
    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    each: tuple[NDArray[np.int64], ...]
    """The counts of each seed."""

    @property
    def is_constant(self) -> bool:
        """Whether every image was taken for one class by each seed."""
        return all(np.count_nonzero(counts.sum(axis=0)) == 1 for counts in self.each)

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 of each class [K], a share, mean over seeds."""
        return np.asarray(np.mean([class_scores(counts).f1 for counts in self.each], axis=0), dtype=np.float64)

    @property
    def worst(self) -> tuple[Mistake, ...]:
        """The pairs with the most mistakes, at most five."""
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:WORST]
        pairs = [divmod(int(flat), len(self.classes)) for flat in order]
        totals = self.counts.sum(axis=1)
        return tuple(
            Mistake(self.classes[true], self.classes[said], int(wrong[true, said]), int(totals[true]))
            for true, said in pairs
            if wrong[true, said]
        )


def section(context: Context) -> Section | None:
    """Return what the pictured variants take for what; None where no cell left a confusion matrix."""
    found = context.once(all_confusions)
    if not found:
        return None
    folds = (_fold(each, context.drawn, is_open=place == 0) for place, each in enumerate(found))
    tops = top_tables(context.pictured, context.files)
    blocks = (*_by_class(found), *_left_out(found), *tops, Text(EXPLAINED), *folds)
    return Section("confusions", "Confusion matrices", blocks)


def all_confusions(context: Context) -> tuple[Confusions, ...]:
    """Return the confusions of the pictured variants that have any."""
    return tuple(filter(None, (confusions_of(variant, context.store) for variant in context.pictured)))


def confusions_of(variant: Variant, store: ReportStore) -> Confusions | None:
    """Return the sum over a variant's cells, of the test set where it was opened; None where there is none."""
    opened = [entry for entry in variant.finished if entry.tag("test") == "opened"]
    found = _read(opened or variant.finished, store)
    if not found or any(each.classes != found[0].classes for each in found):
        return None
    counts = np.sum([each.counts for each in found], axis=0)
    split, each = "test" if opened else "validation", tuple(one.counts for one in found)
    return Confusions(variant, split, len(found), found[0].classes, counts, each)


def class_table(confusions: Confusions) -> Table:
    """Return precision, recall and F1 of each class, means over seeds; the class with the lowest F1 is marked."""
    scores = [class_scores(counts) for counts in confusions.each]
    precision, recall, f1 = (
        np.stack([getattr(each, name) for each in scores]) for name in ("precision", "recall", "f1")
    )
    worst = int(f1.mean(axis=0).argmin())
    rows = tuple(
        (
            named(name),
            Value(f"{scores[0].support[place]:,}", int(scores[0].support[place])),
            *(share_value(spread_of(values[:, place].tolist())) for values in (precision, recall)),
            replace(share_value(spread_of(f1[:, place].tolist())), tone="bad" if place == worst else ""),
        )
        for place, name in enumerate(confusions.classes)
    )
    return Table(f"Classes of {confusions.variant.name} on {confusions.split} images", CLASS_COLUMNS, rows)


def top_tables(variants: Sequence[Variant], files: PredictionFiles) -> Iterator[Table]:
    """Yield how often the true class is among the five most likely, a table for each split of ten classes or more."""
    for split, words in SPLITS.items():
        rows = []
        for variant in variants:
            entries = variant.finished if _is_opened(variant) == (split == "test") else ()
            said = [each for entry in entries if (each := files.of(entry, split)) is not None]
            if said and len(said[0].classes) >= FEWEST_CLASSES:
                tops = (share_value(spread_of([_within(each, most) for each in said])) for most in (1, GUESSES))
                rows.append((named(variant.name), *tops))
        if rows:
            columns = (Column("experiment", numeric=False), Column("top-1 %"), Column(f"top-{GUESSES} %"))
            yield Table(f"True class among the {GUESSES} with the highest scores, {words} images", columns, tuple(rows))


def heat_picture(counts: NDArray[np.int64]) -> bytes:
    """Return counts [K, K] as PNG, clear where nothing was counted, so that it suits any background.

    Color is the square root of the row's share: an error of 1 % can be seen beside a class that is 95 % right.
    """
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(counts)
    pixels = np.empty((size, size, 4), dtype=np.uint8)
    pixels[..., :3] = np.where(np.eye(size, dtype=bool)[..., None], BLUE, AMBER)
    pixels[..., 3] = np.round(255 * np.sqrt(counts / totals))
    scale = max(1, PICTURE_SIDE // size)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((size * scale, size * scale), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def _by_class(found: Sequence[Confusions]) -> Iterator[Block]:
    """Yield F1 by class and model for each set of images that two variants or more were measured on.

    Without those that say one class of every image: their 0 % would leave the others no color to differ in.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[Confusions]] = defaultdict(list)
    for each in found:
        if not each.is_constant:
            groups[each.variant.cell.dataset.images, each.split, each.classes].append(each)
    several = [group for group in groups.values() if len(group) > 1]
    for place, group in enumerate(several):
        first = group[0]
        title = f"F1 by class on {dataset_name(first.variant.cell.dataset)}, {first.split} images, in percent"
        names, f1 = [each.variant.name for each in group], np.stack([each.f1 for each in group])
        stem = "class-f1" if not place else f"class-f1-{place + 1}"
        charts = Charts((class_f1(first.classes, names, f1, title, stem),))
        is_short = len(first.classes) <= OPEN_UP_TO
        yield charts if is_short else Fold(f"F1 by class and model, {len(first.classes)} classes", (charts,))


def _left_out(found: Sequence[Confusions]) -> Iterator[Text]:
    constant = [each.variant.name for each in found if each.is_constant]
    if constant and len(found) > len(constant) + 1:
        yield Text(f"Left out of it: {', '.join(constant)}, one class for every image.", "muted")


def _fold(found: Confusions, drawn: frozenset[str], *, is_open: bool) -> Fold:
    title = f"{found.variant.name}: {found.split} images, {amount(found.seeds, 'seed')}"
    blocks = (
        _matrix(found, page_only=found.variant.name not in drawn),
        Group("Most frequent mistakes", (_mistakes(found),)),
        Fold("Precision, recall and F1 by class", (class_table(found),)),
    )
    return Fold(title, blocks, is_open)


def _matrix(found: Confusions, *, page_only: bool) -> Charts | Images:
    """Return the matrix as a chart; of very many classes as a picture, for a chart would have too many marks."""
    name = found.variant.name
    if len(found.classes) <= PERCENT_UP_TO:
        chart = confusion(name, found.split, found.counts, found.classes, found.seeds)
        return Charts((chart,), page_only)
    words = f"Confusion matrix of {name}: {len(found.classes)} classes, one square a pair; see the mistakes below"
    picture = Picture(f"{file_stem('confusion', name)}.png", heat_picture(found.counts), words)
    return Images((picture,), page_only=page_only)


def _mistakes(found: Confusions) -> Items | Text:
    lines = [
        f"{each.true} taken for {each.predicted}: {percent(each.share)} % ({each.count:,} of {each.of:,})"
        for each in found.worst
    ]
    return Items(tuple(lines)) if lines else Text("No mistakes.")


def _within(said: Predicted, most: int) -> float:
    """Return the share of images whose true class is among so many with the highest scores."""
    return float((said.ranks < most).mean())


def _is_opened(variant: Variant) -> bool:
    return any(entry.tag("test") == "opened" for entry in variant.finished)


def _read(entries: Sequence[Entry], store: ReportStore) -> list[Confusion]:
    runs = [entry.run.run_id for entry in entries if entry.run is not None]
    paths = [store.artifact(run, "confusion.csv") for run in runs]
    return [read_confusion(path) for path in paths if path is not None]
