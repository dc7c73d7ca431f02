"""What the splits of a data set are called where others made it, and the nearest right setting for what is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.data.sources._trees import Places
from harness.errors import DataError

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation"),
}
"""What folders of a split are called, in small letters."""


def split_folders(path: Path) -> dict[str, Path]:
    """Return the folders in a folder that are called like a split, by the split: train, test, val."""
    below = {each.name.lower(): each for each in path.iterdir() if each.is_dir()}
    return {split: below[name] for split, names in NAMES.items() for name in reversed(names) if name in below}


def advice(path: Path, split: str) -> str:
    """Return what to give instead of `path`, which has no folder `train` or no `test`, as the end of a message."""
    found = split_folders(path)
    if found.keys() >= {"train", "test"}:
        return f"; give train: {found['train']} and test: {found['test']}"
    if split == "test" and found.keys() >= {"train", "val"}:
        return (
            f"; to test on {found['val'].name}/, give train: {found['train']} and test: {found['val']}; to keep a test "
            "set for later, give the experiments test: never"
        )
    inner = [each for each in sorted(path.iterdir()) if each.is_dir() and "train" in split_folders(each)]
    if inner and "train" not in found:
        return f"; did you mean path: {inner[0]}?"
    return "" if found.keys() & {"train", "test"} else "; to divide one tree, give test_fraction"


def validation_folder(places: Places, test: Path | None) -> Path:
    """Return the folder of the official validation split, which may not be the one that is tested on.

    Raises:
        DataError: there is none.
    """
    around = places.around
    found = split_folders(around).get("val") if around.is_dir() else None
    if found is None or (test is not None and found.absolute() == test.absolute()):
        names = ", ".join(NAMES["val"])
        raise DataError(f"{places.missing('val')}: there is no folder {names} in {around}; give val:")
    return found


def validation_files(places: Places) -> list[Path]:
    """Return the Parquet files or shards of the official validation split.

    Raises:
        DataError: there are none.
    """
    around = places.around
    for name in NAMES["val"]:
        if found := split_files(around, name):
            return found
    wanted = " or ".join(f"{name}*.parquet" for name in NAMES["val"])
    raise DataError(f"{places.missing('val')}: there is no {wanted} in {around}; give val:")


def split_files(folder: Path, split: str) -> list[Path]:
    """Return the Parquet files of a split in a folder: NAME.parquet, shards NAME-*.parquet, or those in NAME/.

    They are in the folder itself or in its folder `data`, as data set hubs have it.
    """
    for place in (folder, folder / "data"):
        whole = place / f"{split}.parquet"
        found = [whole] if whole.exists() else sorted(place.glob(f"{split}-*.parquet"))
        found = found or sorted((place / split).glob("*.parquet"))
        if found:
            return found
    return []
