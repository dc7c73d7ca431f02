"""What lies at a path, looked at without decoding it: which source reads it, its splits, classes and image sizes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from harness.data.decode import Item
from harness.data.image_files import UnreadableImageError, read_header
from harness.data.sources import _layouts, _tables, _trees
from harness.data.sources._arrays import NAMES, find_array, read_array, shapes_in
from harness.data.sources._layouts import split_files, split_folders
from harness.errors import DataError, InputError

SAMPLE: Final = 400
"""Images whose headers are read: enough to see whether sizes differ."""
TEST_FRACTION: Final = 0.2
"""Share of a lone tree's classes that is the test split."""
GROUP_NAMES: Final = frozenset({"group", "session", "patient", "subject", "person", "site", "scene"})
"""What columns and arrays are called that say which images belong together; also with `_id` or an s at the end."""
_NUMBERED: Final = re.compile(r"(.*\d.*)[-_ .]\D*\d+")
"""A file's name that ends in a number of its own after one of its session: `patient12_scan03`, `s3-0007`."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found. `options` are the source's, paths as they were given; of a lone tree `test_fraction` is one."""

    source: str
    options: Mapping[str, Path | float]
    classes: int
    images: int
    """Of the training split, or of the one tree that is to be divided."""
    has_test: bool
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Height and width -> how many of the images that were looked at."""
    remarks: tuple[str, ...] = ()
    """What a reader of the matrix file should know of the splits."""
    divided: int | None = None
    """Images that the training side of a lone tree keeps."""
    tests: int = 0
    """Images of the test split."""
    groups: str | Mapping[str, str] = ""
    """Which training images belong together: a column's or an array's name, or each file's group; empty for unknown."""
    has_validation: bool = False
    """Whether there is a validation split beside the test split, so that none need be carved."""

    @property
    def side(self) -> int:
        """The median of the images' shorter sides."""
        return int(median(min(size) for size in self.sizes.elements()))


def guessed_source(path: Path) -> str:
    """Return the source that reads what is at a path: npz, parquet or image_folder.

    Raises:
        InputError: nothing is there, or nothing that one of them reads.
    """
    if path.is_file() and path.suffix in {".npz", ".parquet"}:
        return path.suffix[1:]
    if not path.is_dir():
        raise InputError(f"{path}: {'not an .npz file or a folder' if path.exists() else 'nothing is there'}")
    is_parquet = any(path.glob("*.parquet")) or any(path.glob("data/*.parquet"))
    return "parquet" if is_parquet else "image_folder"


def survey(path: Path) -> Survey:
    """Return what lies at a path: a folder of images, a Parquet file or a folder of them, or an .npz file.

    Raises:
        InputError: nothing is there, or nothing that can be read.
        DataError: it is damaged, or lacks what a data set needs; the message says what.
    """
    look = {"npz": _npz, "parquet": _parquet, "image_folder": _image_folder}[guessed_source(path)]
    return look(path)


def _image_folder(path: Path) -> Survey:
    splits = split_folders(path)
    if "train" not in splits:
        tree = _trees.scan(path)
        lone: dict[str, Path | float] = {"path": path, "test_fraction": TEST_FRACTION}
        left = len(_trees.divide(tree, TEST_FRACTION, "train").paths)
        return Survey(
            "image_folder",
            lone,
            len(tree.classes),
            len(tree.paths),
            True,
            _tree_sizes(tree),
            divided=left,
            tests=len(tree.paths) - left,
            groups=sessions(tree.paths),
        )
    tree = _trees.scan(splits["train"])
    remarks = []
    test = splits.get("test")
    if test is None and "val" in splits:
        test = splits["val"]
        remarks.append(f"there is no test folder: {test.name}/ is the test set, validation is carved from train")
    options: dict[str, Path | float] = {"train": splits["train"]}
    if test is not None and (splits["train"].name, test.name) == ("train", "test"):
        options = {"path": path}
    elif test is not None:
        options["test"] = test
    own = "val" in splits and test is not None and test != splits["val"]
    return Survey(
        "image_folder",
        options,
        len(tree.classes),
        len(tree.paths),
        test is not None,
        _tree_sizes(tree),
        tuple(remarks),
        tests=len(_trees.scan(test).paths) if test else 0,
        groups=sessions(tree.paths),
        has_validation=own,
    )


def sessions(paths: Sequence[str]) -> Mapping[str, str]:
    """Return each file's session by its name, empty where names tell of none that can be held out.

    Args:
        paths: Files below a training folder, `CLASS/...`. A session is a folder below the class, or what stands before
            the last number of a file's name if that has a number too: `patient12_scan03.png`, `s3-0007.jpg`.

    At least two sessions of each class, and at least two images a session on average, or it is not taken for one.
    """
    for found in ({path: _folder(path) for path in paths}, {path: _prefix(path) for path in paths}):
        by_class: dict[str, set[str]] = {}
        for path, group in found.items():
            by_class.setdefault(path.partition("/")[0], set()).add(group)
        several = all(len(groups) > 1 and "" not in groups for groups in by_class.values())
        if several and 2 * len(set(found.values())) <= len(found):
            return found
    return {}


def _folder(path: str) -> str:
    _, *below, _ = path.split("/")
    return "/".join(below)


def _prefix(path: str) -> str:
    numbered = _NUMBERED.fullmatch(Path(path).stem)
    return numbered[1] if numbered else ""


def _named_group(names: Iterable[str]) -> str:
    """Return the first of the names that says of a column or an array that it holds groups."""
    return next((name for name in names if re.sub(r"(_?ids?|s)$", "", name.lower()) in GROUP_NAMES), "")


def _tree_sizes(tree: _trees.Tree) -> Counter[tuple[int, int]]:
    paths = tree.paths
    chosen = tuple(paths[:: max(1, len(paths) // SAMPLE)])
    return _sizes(_trees.Files(0, len(chosen), tree.folder, chosen).items())


def _parquet(path: Path) -> Survey:
    folder = path if path.is_dir() else path.parent
    shards = {split: split_files(folder, split) for split in ("train", "test")}
    own = shards["test"] and any(split_files(folder, name) for name in _layouts.NAMES["val"])
    if (path.is_file() and path not in shards["train"]) or not shards["train"]:
        every = sorted([*folder.glob("*.parquet"), *folder.glob("data/*.parquet")])
        shards, own = {"train": [path] if path.is_file() else every, "test": []}, False
    train = shards["train"]
    alone = train[0] if len(train) == 1 else train[0].parent
    options = {"path": folder} if shards["test"] else {"train": alone}
    columns = _tables.find_columns(train[0], None, None)
    count = sum(_tables.open_file(file).metadata.num_rows for file in train)
    named = _tables.names_in_metadata(train[0], columns.label)
    classes = len(named or _tables.class_names(_tables.read_column(train, columns.label)))
    first = min(SAMPLE, _tables.open_file(train[0]).metadata.row_group(0).num_rows)
    sizes = _sizes(_tables.Rows(0, first, train[0], 0, 0, columns).items())
    tests = sum(_tables.open_file(file).metadata.num_rows for file in shards["test"])
    group = _named_group(_tables.open_file(train[0]).schema_arrow.names)
    return Survey(
        "parquet",
        options,
        classes,
        count,
        bool(tests),
        sizes,
        tests=tests,
        groups=group,
        has_validation=bool(own),
    )


def _sizes(items: Iterable[Item]) -> Counter[tuple[int, int]]:
    """Return the sizes of the images that can be read; what is no image is for decoding to list."""
    sizes: Counter[tuple[int, int]] = Counter()
    for name, load in items:
        try:
            with load() as file:
                header = read_header(file)
        except (UnreadableImageError, OSError) as error:
            fault = f"{name}: {error}"
            continue
        sizes[header.height, header.width] += 1
    if not sizes:
        raise DataError(f"no image can be read; the last one: {fault}")
    return sizes


def _npz(path: Path) -> Survey:
    shapes = shapes_in(path)
    images, labels = find_array(path, "x", "train"), find_array(path, "y", "train")
    if len(shapes.get(images, ())) not in {3, 4}:
        wanted = "images are [N, H, W] or [N, H, W, C]"
        raise DataError(f"{path}: array {images} is {shapes.get(images, 'none')}; {wanted}")
    count, height, width = shapes[images][:3]
    has_test = all(any(name.format("test") in shapes for name in names[:3]) for names in NAMES.values())
    classes = len(read_array(path, "classes")) if "classes" in shapes else len(np.unique(read_array(path, labels)))
    key = "path" if has_test else "train"
    tests = shapes[find_array(path, "x", "test")][0] if has_test else 0
    group = _named_group(name for name, shape in shapes.items() if shape == (count,))
    own = has_test and all(any(name.format("val") in shapes for name in names[:3]) for names in NAMES.values())
    sizes = Counter({(height, width): count})
    return Survey(
        "npz",
        {key: path},
        classes,
        count,
        has_test,
        sizes,
        tests=tests,
        groups=group,
        has_validation=own,
    )
