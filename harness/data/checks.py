"""What can be known of a data set before anything is fitted, by names, labels and counts: no test pixel is read.

What is wrong with a test split would else be found after all training, in every cell that opens it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.contracts import Cell, Dataset, Source
from harness.data.cache import Origin, origin_of, read_meta
from harness.data.carve import held_out
from harness.data.groups import shared_groups
from harness.errors import DataError
from harness.plugins import Catalog
from harness.words import listed


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found; each text is empty where there is nothing to say."""

    missing: str = ""
    """Why there is no test split."""
    wrong: str = ""
    """What is wrong with the one that there is, so that it cannot be opened."""
    remarks: tuple[str, ...] = ()
    """What is no mistake and should be known."""


def check(dataset: Dataset, catalog: Catalog, cache: Path) -> Checked:
    """Compare the splits of a data set by names and counts; of published sets with checksums nothing is asked.

    Raises:
        DataError: the training split is at fault, or cannot be divided as `validation` says.
    """
    origin = origin_of(dataset, catalog, cache)
    if origin.source.downloads and type(origin.source).counts is Source.counts:
        return Checked()  # what is published with checksums is not wrong
    place = dataset.options.get("train") or dataset.options.get("path")
    if place is not None and not Path(place).exists():
        return Checked(remarks=(f"{dataset.name}: {place} is not there, so the data set is not checked",))
    origin.source.fetch("train", origin.root)
    classes = origin.source.classes(origin.root)
    counts = origin.source.counts("train", origin.root, classes)
    own = dataset.validation.split
    if own is not None:
        _check_own(origin, own, classes)
    elif counts is not None and dataset.grouped_by is None:
        labels = np.repeat(np.arange(len(counts)), list(counts.values()))
        held_out(labels, classes, dataset.validation, None)
    remarks = (*origin.source.remarks(origin.root), *_unused(origin, dataset))
    try:
        origin.source.fetch("test", origin.root)
    except DataError as error:
        return Checked(missing=f"{error} (nothing but its opening needs it)", remarks=remarks)
    try:
        counts = origin.source.counts("test", origin.root, classes)
    except DataError as error:
        return Checked(wrong=str(error), remarks=remarks)
    shared = shared_groups(dataset, catalog, cache)
    remarks += (f"{dataset.name}: {shared.words}",) if shared is not None and shared.words else ()
    empty = [name for name, count in (counts or {}).items() if not count]
    if empty and len(empty) == len(classes):
        return Checked(wrong=f"{dataset.name}: test split: there are no images", remarks=remarks)
    told = f"{dataset.name}: test split: classes without a test image ({len(empty)}):\n{listed(empty)}"
    return Checked(remarks=(*remarks, told) if empty else remarks)


def _check_own(origin: Origin, split: str, classes: tuple[str, ...]) -> None:
    """Refuse an official validation split that is not there, or is of other classes."""
    origin.source.fetch(split, origin.root)
    counts = origin.source.counts(split, origin.root, classes)
    if counts is not None and not sum(counts.values()):
        raise DataError(f"{origin.name}: {split} split: there are no images")


def _unused(origin: Origin, dataset: Dataset) -> tuple[str, ...]:
    """Return a remark where there is an official validation split, and one is carved all the same."""
    if dataset.validation.split is not None or "val" not in origin.source.splits:
        return ()
    try:
        origin.source.fetch("val", origin.root)
    except DataError:
        return ()
    use = "validation is carved from train (validation: {split: val} uses it)"
    return (f"{origin.name}: there is a validation split, which is not used: {use}",)


def check_all(
    cells: Iterable[Cell], catalog: Catalog, cache: Path, *, may_open: bool = True, needs_test: bool = True
) -> tuple[str, ...]:
    """Return what should be known of the data sets of some cells that are to be run, each remark once.

    Everything but the opening works without a test split, so that one is missing or wrong is but a remark where no
    cell opens it. That nothing is there at all is a remark too: whoever reads it will say so.

    Args:
        cells: the cells.
        catalog: where their sources are found.
        cache: the folder of decoded data sets.
        may_open: whether cells that are not to keep their test set sealed will open it.
        needs_test: whether a test split that is missing is a fault where it would be opened: it can be put there
            while cells are fitted, and those that end before it is wait for it without being fitted again.

    Raises:
        DataError: test splits that would be opened are wrong or missing, or a training split cannot be divided.
    """
    told: dict[str, None] = {}
    faults: dict[str, None] = {}
    for dataset, opens in _datasets(cells):
        found = check(dataset, catalog, cache)
        told |= dict.fromkeys(found.remarks)
        is_fault = opens and may_open and (found.wrong or needs_test)
        if found.missing or found.wrong:
            (faults if is_fault else told)[found.missing or found.wrong] = None
    if faults:
        raise DataError("\n".join(faults))
    return tuple(told)


def _datasets(cells: Iterable[Cell]) -> Iterator[tuple[Dataset, bool]]:
    """Yield each distinct data set with each of its test sets, and whether one of its cells opens the test split."""
    datasets: dict[str, Dataset] = {}
    opens: Counter[str] = Counter()
    texts: dict[int, str] = {}  # cells that differ in their seeds share the value
    for cell in cells:
        text = texts.get(id(cell.dataset)) or cell.dataset.model_dump_json()
        texts[id(cell.dataset)] = text
        datasets[text] = cell.dataset
        opens[text] += cell.test != "never"
    for text, dataset in datasets.items():
        yield from ((each, opens[text] > 0) for each in dataset.test_sets.values())


def dark(datasets: Iterable[Dataset], catalog: Catalog, cache: Path) -> tuple[str, ...]:
    """Return a remark for each data set whose training images use but the lower half of the values; reads no pixels.

    Raises:
        DataError: training files are missing or at fault.
    """
    told = []
    for dataset in {each.images: each for each in datasets}.values():
        shades = read_meta(origin_of(dataset, catalog, cache), "train").shades
        told += [f"{dataset.name}: {shades.remark}"] if shades and shades.remark else []
    return tuple(told)
