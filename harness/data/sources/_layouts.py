"""What the splits of a data set are called where others made it, and the nearest right setting for what is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

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


def unused(path: Path) -> list[str]:
    """Return a remark where there is a folder or a file for validation, which is not read."""
    names = [each.name for each in sorted([*path.iterdir(), *path.glob("data/*")]) if is_validation(each)]
    return [f"{', '.join(names)} in {path} is not used: validation is carved from train"] if names else []


def is_validation(path: Path) -> bool:
    """Whether it is called like an official validation split: a folder, or a Parquet file or shard."""
    if path.is_dir():
        return path.name.lower() in NAMES["val"]
    return path.suffix == ".parquet" and path.stem.lower().split("-")[0] in NAMES["val"]
