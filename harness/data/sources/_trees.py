"""Folders of images, a folder a class; where each split lies (`path`, `train`, `test`); files that name groups."""

from __future__ import annotations

import csv
import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.data.carve import carved_test
from harness.data.decode import MANY, Item
from harness.data.image_files import UnreadableImageError, irregular, open_regular
from harness.errors import DataError, nearest
from harness.words import SHOWN, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Places:
    """The four options; `train`, `val` and `test` go before `path`."""

    source: str
    path: Path | None
    train: Path | None
    val: Path | None
    test: Path | None

    def own(self, split: str) -> Path | None:
        """Return what the option named after the split says; raises DataError if nothing is there."""
        given = {"train": self.train, "val": self.val, "test": self.test}[split]
        return given and self._existing(split, given)

    @property
    def around(self) -> Path:
        """Where an official validation split would be: `path`, else the folder that the training split is in."""
        return self.path or (self.train or Path()).parent

    def shared(self, split: str) -> Path:
        """Return `path`, for a split that has no option of its own.

        Raises:
            DataError: it is not given, or nothing is there.
        """
        if self.path is None:
            raise DataError(f"{self.missing(split)}: give {split}: or path:")
        return require_existing(self.path, f"{self.source}: path")

    def missing(self, split: str) -> str:
        """Return how the message about a missing split begins."""
        return f"the {split} split of {self.source} is missing"

    def _existing(self, split: str, given: Path) -> Path:
        try:
            return require_existing(given, split)
        except DataError as error:
            raise DataError(f"{self.missing(split)}: {error}") from error


def require_existing(path: Path, option: str) -> Path:
    """Return the path; raises DataError with the nearest name where nothing is there."""
    if path.exists():
        if other := irregular(path):
            raise DataError(f"{option} {path}: {other}, neither a file nor a folder")
        return path
    parent = path.parent
    names = [each.name for each in parent.iterdir()] if parent.is_dir() else []
    guess = nearest(path.name, names)
    is_short = len(names) <= SHOWN or guess.startswith("; did you mean")
    raise DataError(f"{option} {path}: no such file or folder{guess if is_short else ''}")


def stamp_of(files: Iterable[Path]) -> str:
    """Return a text that changes when any of the files moves, grows or is written again."""
    digest = sha256()
    for path in files:
        status = path.stat()
        digest.update(os.fsencode(f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\n"))
    return digest.hexdigest()


def contents_of(files: Iterable[tuple[str, Path]]) -> str:
    """Return a digest of files by the names they are to be known by, and what they hold."""
    digest = sha256()
    for name, path in files:
        with path.open("rb") as file:
            digest.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def read_group_file(file: Path, paths: Sequence[str], folders: Sequence[str] = ("train",)) -> NDArray[np.str_]:
    """Return each image's group [N] from lines `path,group` (or tabs or semicolons for the comma).

    A heading and images that are not asked for are passed over.

    Args:
        file: the text file.
        paths: the images [N], relative to their split's folder.
        folders: what that is called: with each before it, then without any, a path is looked for.

    Raises:
        DataError: a line has no two fields, or an image has no group.
    """
    groups: dict[str, str] = {}
    for number, line in enumerate(_lines(file), 1):
        if len(line) < 2:
            raise DataError(f"{file}:{number}: a line is `image path,group`")
        groups[line[0].strip().replace("\\", "/").removeprefix("./")] = line[1].strip()
    before = [*(f"{folder}/" for folder in folders), ""]
    found = [next((groups[f"{each}{path}"] for each in before if f"{each}{path}" in groups), None) for path in paths]
    without = [path for path, group in zip(paths, found, strict=True) if group is None]
    if without:
        raise DataError(f"{file}: images without a group ({len(without):,}):\n{listed(without)}")
    return np.array(found, dtype=np.str_)


def _lines(file: Path) -> list[list[str]]:
    try:
        with open_regular(file) as opened:
            text = opened.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, UnreadableImageError) as error:
        raise DataError(f"groups: {file} cannot be read: {error}") from error
    first = text.partition("\n")[0]
    delimiter = next((each for each in "\t;," if each in first), ",")
    return [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if line]


_NO_IMAGES: Final = {
    *("thumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle"),
    *("$recycle.bin", "system volume information", "lost+found"),
}
"""What file browsers, archives and file servers leave behind, in small letters; names that begin with a dot are too."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder's classes, sorted by name, and each class's files, sorted by path below `folder`.

    `passed_over` counts by name what is there and is no image's.
    """

    folder: Path
    files: dict[str, tuple[str, ...]]
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the class folders."""
        return tuple(self.files)

    @property
    def paths(self) -> list[str]:
        """All files below `folder`, class by class."""
        return [path for paths in self.files.values() for path in paths]

    @property
    def labels(self) -> list[int]:
        """The label of each of `paths`."""
        return [label for label, paths in enumerate(self.files.values()) for _ in paths]


@dataclass(frozen=True, slots=True)
class Files:
    """Consecutive files as a chunk to decode."""

    first: int
    count: int
    folder: Path
    paths: tuple[str, ...]

    def items(self) -> Iterator[Item]:
        """Yield each file's path and how to open it."""
        for path in self.paths:
            yield path, partial(open_regular, self.folder / path)


def chunks_of(tree: Tree, processes: int) -> list[Files]:
    """Return the files as chunks, small enough that each process gets some."""
    paths = tree.paths
    step = max(MANY // 4, -(-len(paths) // (4 * processes)))
    parts = [tuple(paths[start : start + step]) for start in range(0, len(paths), step)]
    return [Files(position * step, len(part), tree.folder, part) for position, part in enumerate(parts)]


def scan(folder: Path) -> Tree:
    """Return the tree below a folder.

    Raises:
        DataError: there are no class folders, some have no file, names are no UTF-8 or twice the same, or they cannot
            be read.
    """
    passed_over: Counter[str] = Counter()
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not _is_left(entry, passed_over) and entry.is_dir())
        tree = Tree(
            folder, {name: tuple(sorted(files_below(folder, name, passed_over))) for name in names}, passed_over
        )
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error}") from error
    check_names(tree)
    if not names:
        raise DataError(f"{folder}: there is no folder in it; it takes one folder for each class")
    empty = [name for name, files in tree.files.items() if not files]
    if empty:
        raise DataError(f"{folder}: classes without an image ({len(empty)}):\n{listed(empty)}")
    return tree


def stamp_of_tree(tree: Tree) -> str:
    """Return a text that changes when a file comes, goes, grows or is written again.

    Raises:
        DataError: naming the files that are links to nowhere.
    """
    digest = sha256(os.fsencode(tree.folder.absolute()))
    folder = str(tree.folder)
    lost = []
    for path in tree.paths:
        try:
            status = os.stat(f"{folder}/{path}")  # noqa: PTH116 - tens of thousands of Path objects take too long
        except OSError:
            lost.append(path)
            continue
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    if lost:
        raise DataError(f"{tree.folder}: missing files ({len(lost):,}):\n{listed(lost)}")
    return digest.hexdigest()


def divide(tree: Tree, test_fraction: float, split: str, groups: NDArray[np.str_] | None = None) -> Tree:
    """Return one side of a tree without train and test folders.

    Of each class the files whose paths have the smallest digests are for the test, one at least:
    the choice depends on names alone, not on the machine or the order of its listing. With the groups of
    all files [N] whole groups are.

    Raises:
        DataError: a class has a single image, which cannot be on both sides, or groups leave a class without any.
    """
    if groups is not None:
        held = set(carved_test(np.array(tree.labels), len(tree.files), test_fraction, groups).tolist())
        chosen = {path for place, path in enumerate(tree.paths) if (place in held) == (split == "test")}
        return replace(
            tree, files={name: tuple(filter(chosen.__contains__, each)) for name, each in tree.files.items()}
        )
    single = [name for name, files in tree.files.items() if len(files) < 2]
    if single:
        raise DataError(f"{tree.folder}: classes too small to be in train and test:\n{listed(single)}")
    sides = {name: _side(files, test_fraction, split) for name, files in tree.files.items()}
    return replace(tree, files=sides)


def like_train(tree: Tree, classes: Sequence[str], split: str = "test") -> Tree:
    """Return the tree of another split with its classes called and sorted as those of the training tree.

    Names are the same if they look the same: an accent may be a part of its letter, or a character of its own (NFC).

    Raises:
        DataError: naming the classes that only one of them has.
    """
    own = {same(name): files for name, files in tree.files.items()}
    missing = [f"{name}: only in train" for name in classes if same(name) not in own]
    extra = [f"{name}: only in {split}" for name in tree.classes if same(name) not in set(map(same, classes))]
    if missing or extra:
        raise DataError(f"{tree.folder}: classes differ between train and {split}:\n{listed(missing + extra)}")
    return replace(tree, files={name: own[same(name)] for name in classes})


def same(name: str) -> str:
    """Return what names that look the same have in common: each character composed (NFC)."""
    return unicodedata.normalize("NFC", name)


def _side(files: tuple[str, ...], test_fraction: float, split: str) -> tuple[str, ...]:
    ordered = sorted(files, key=lambda path: sha256(path.encode()).digest())
    count = min(len(files) - 1, max(1, round(len(files) * test_fraction)))
    return tuple(sorted(ordered[:count] if split == "test" else ordered[count:]))


def check_names(tree: Tree) -> None:
    """Raise DataError where names are no UTF-8, or look the same."""
    unclear = [name for name in (*tree.files, *tree.paths) if not name.isprintable() and _has_bytes(name)]
    if unclear:
        told = [os.fsencode(name).decode(errors="backslashreplace") for name in unclear]
        raise DataError(f"{tree.folder}: names that are no UTF-8 ({len(told):,}); rename them:\n{listed(told)}")
    twice = [name for name, count in Counter(map(same, tree.files)).items() if count > 1]
    if twice:
        raise DataError(f"{tree.folder}: class folders whose names look the same:\n{listed(twice)}")


def _has_bytes(name: str) -> bool:
    """Whether a name has bytes that no character stands for."""
    return any("\udc80" <= each <= "\udcff" for each in name)


def _is_left(entry: os.DirEntry[str], passed_over: Counter[str]) -> bool:
    """Whether a file or folder is passed over, which is counted by its name."""
    is_left = entry.name.startswith(".") or entry.name.lower() in _NO_IMAGES
    if is_left:
        name = "._*" if entry.name.startswith("._") else entry.name
        passed_over[f"{name}/" if entry.is_dir() else name] += 1
    return is_left


def files_below(folder: Path, below: str, passed_over: Counter[str]) -> Iterator[str]:
    """Yield the files at any depth of a folder's folder `below`, as paths below the folder; junk is counted."""
    with os.scandir(folder / below) as entries:
        for entry in entries:
            if _is_left(entry, passed_over):
                continue
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir():
                yield from files_below(folder, path, passed_over)
            else:
                yield path
