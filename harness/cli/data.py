"""`harness data`: fetch a data set, check it, and show what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.text import Text

from harness.cli.console import print_json, results, say, table, tell, warn
from harness.cli.options import Data
from harness.contracts import Dataset
from harness.data.inspect import Description, SplitDescription, describe
from harness.data.leakage import Leakage, Twins
from harness.data.survey import guessed_source
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.words import whole

_EXAMPLES: Final = 5


def perform(asked: Data) -> int:
    """Print what is in the data set, or in each data set of a matrix file; 2 if a test split cannot be opened.

    Raises:
        InputError: there is no such source, or nothing at the path.
        DataError: the training split cannot be had or is at fault.
    """
    catalog = Catalog(asked.plugins)
    cache = asked.cache
    found = [
        described.model_copy(update={"name": f"{described.name}, test set {name}"}) if name else described
        for dataset in datasets_of(asked, catalog)
        for name, alone in dataset.test_sets.items()
        for described in [describe(alone, catalog, cache)]
    ]
    if asked.json:
        print_json([each.model_dump(mode="json") for each in found])
    else:
        for each in found:
            _print(each)
    for each in found:
        warn(each.remarks)
    faults = [each.fault for each in found if each.fault]
    for fault in faults:
        say(fault)
    return 2 if faults else 0


def datasets_of(asked: Data, catalog: Catalog) -> Sequence[Dataset]:
    """Return the data sets that are meant, each with the options of its source alone."""
    if asked.path is not None:
        return [_local(asked.name or guessed_source(asked.path), asked.path)]
    assert asked.name is not None
    if asked.name.endswith((".yaml", ".yml")):
        cells = load_study(Path(asked.name), catalog).cells
        return [Dataset.model_validate_json(each) for each in dict.fromkeys(each.cell.dataset.images for each in cells)]
    path = Path(asked.name)
    if path.exists() and asked.name not in catalog.names("source"):
        return [_local(guessed_source(path), path)]
    catalog.find("source", asked.name)
    return [Dataset(name=asked.name)]


def _local(source: str, path: Path) -> Dataset:
    return Dataset.model_validate({"name": source, "path": str(path.absolute())})


def _print(found: Description) -> None:
    out = results()
    height, width, channels = found.shape
    out.print(Text(found.name, style="bold"), Text(f"{height} x {width} x {channels}, fingerprint {found.fingerprint}"))
    out.print("", _statistics(found))
    out.print("", _classes(found))
    out.print("", _duplicates(found.leakage))
    for line in _remarks(found):
        tell(out, line)


def _statistics(found: Description) -> object:
    counts = ("images", "minimum", "maximum", "shades")
    shown = table("split", *counts, "channel means", "standard deviations", right=counts)
    for name, split in _splits(found):
        figures = map(whole, (split.images, split.minimum, split.maximum, split.shades))
        shown.add_row(name, *figures, _figures(split.mean), _figures(split.std))
    return shown


def _classes(found: Description) -> object:
    splits = _splits(found)
    names = tuple(name for name, _ in splits)
    shown = table("class", *names, right=names)
    for label in found.train.counts:
        shown.add_row(Text(label), *(whole(split.counts[label]) for _, split in splits))
    return shown


def _duplicates(leakage: Leakage) -> object:
    columns = ("within train", "within test", "test in train")
    shown = table("duplicates", *columns, right=columns)
    exact = (leakage.exact_within_train, leakage.exact_within_test, leakage.exact_across)
    near = (leakage.near_within_train, leakage.near_within_test, leakage.near_across)
    for name, kinds in (("exact", exact), ("near", near)):
        shown.add_row(name, *(_twins(twins, leakage.checked or not place) for place, twins in enumerate(kinds)))
    return shown


def _twins(twins: Twins, checked: bool) -> str:
    if not checked:
        return "?"
    return whole(twins.images) + (f" ({twins.disagreeing} of other class)" if twins.disagreeing else "")


def _remarks(found: Description) -> list[str]:
    """Return what was not searched, and the first images that are there twice, across the splits and within each."""
    leakage = found.leakage
    reason = [leakage.reason] if leakage.reason and leakage.reason != found.fault else []
    limits = [f"near duplicates: {leakage.limits}"] if leakage.limits else []
    across = [*leakage.exact_across.examples, *leakage.near_across.examples][:_EXAMPLES]
    within = {
        "train": [*leakage.exact_within_train.examples, *leakage.near_within_train.examples][:_EXAMPLES],
        "test": [*leakage.exact_within_test.examples, *leakage.near_within_test.examples][:_EXAMPLES],
    }
    told = [twin.between("test", "train") for twin in across]
    return reason + limits + told + [twin.between(split, split) for split, twins in within.items() for twin in twins]


def _splits(found: Description) -> list[tuple[str, SplitDescription]]:
    return [("train", found.train)] + ([("test", found.test)] if found.test else [])


def _figures(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
