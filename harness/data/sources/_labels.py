"""Tables of image files and their classes: one flat folder of pictures and a CSV, as competitions give them."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from harness.data.image_files import UnreadableImageError, open_regular
from harness.data.sources._trees import Tree, check_names, files_below
from harness.errors import DataError, nearest
from harness.words import listed

IMAGES: Final = ("file_name", "filename", "file", "image", "path", "image_path", "image_id", "image_name", "img", "id")
"""What the column of files is usually called, in small letters."""
LABELS: Final = ("label", "labels", "class", "class_name", "category", "target", "y")
"""What the column of classes is usually called."""
_SPLITS: Final = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    name: str
    label: str


def labeled(folder: Path, table: Path, image_column: str | None, label_column: str | None) -> Tree:
    """Return the images of a folder by the classes that a table gives them; classes that are numbers go by size.

    Files are named relative to the folder or to the table, with or without their suffix. Lines of another split's
    folder beside it are passed over, and so are files that no line names.

    Raises:
        DataError: no such column; a line without a file or a class; files that are missing or there twice, each with
            its line.
    """
    rows = list(_rows(table, image_column, label_column))
    passed: Counter[str] = Counter()
    files_there = frozenset(_below(folder, passed))
    there = _Files(folder, files_there, frozenset(PurePath(path).suffix for path in files_there) - {""})
    found: dict[str, _Row] = {}
    faults = []
    for row in rows:
        path = there.path_of(row.name, table.parent)
        if path is None:
            if not _is_of_other_split(row.name, folder, table.parent):
                faults.append(f"line {row.line}: {row.name} is not there{there.guess(row.name)}")
        elif path in found:
            faults.append(f"line {row.line}: {row.name} is there twice, first in line {found[path].line}")
        else:
            found[path] = row
    if faults:
        raise DataError(f"{table}: wrong lines ({len(faults):,}):\n{listed(faults)}")
    if unnamed := len(there.files - found.keys() - {os.path.relpath(table, folder)}):
        passed[f"files that {table.name} does not name"] += unnamed
    files: dict[str, list[str]] = {}
    for path, row in found.items():
        files.setdefault(row.label, []).append(path)
    order = int if all(name.isdecimal() for name in files) else str
    tree = Tree(folder, {name: tuple(sorted(files[name])) for name in sorted(files, key=order)}, passed)
    check_names(tree)
    return tree


def _rows(table: Path, image_column: str | None, label_column: str | None) -> Iterator[_Row]:
    try:
        with open_regular(table) as opened:
            text = opened.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, UnreadableImageError) as error:
        raise DataError(f"labels: {table} cannot be read: {error}") from error
    first = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=next((each for each in "\t;," if each in first), ","))
    try:
        heading = [each.strip() for each in next(reader, [])]
        image = _column(table, heading, image_column, "image_column", IMAGES)
        label = _column(table, heading, label_column, "label_column", LABELS)
        for cells in reader:
            if not any(cells):
                continue
            name, value = (cells[place].strip() if place < len(cells) else "" for place in (image, label))
            if not name or not value:
                raise DataError(
                    f"{table}:{reader.line_num}: there is no {'file' if not name else 'class'} in this line"
                )
            yield _Row(reader.line_num, name.replace("\\", "/").removeprefix("./"), value)
    except csv.Error as error:
        raise DataError(f"{table}:{reader.line_num}: {error}") from error


def _column(table: Path, heading: Sequence[str], given: str | None, option: str, usual: Sequence[str]) -> int:
    """Return the place of a column by its option, else by its usual names."""
    there = f"the first line of {table.name} names {', '.join(heading) or 'nothing'}"
    if given is not None:
        if given not in heading:
            raise DataError(f'{table}:1: {option}: there is no column "{given}"{nearest(given, heading)}')
        return heading.index(given)
    small = [each.lower() for each in heading]
    place = next((small.index(name) for name in usual if name in small), None)
    if place is None:
        raise DataError(f"{table}:1: give {option}; {there}")
    return place


@dataclass(frozen=True, slots=True)
class _Files:
    """The files below a folder, by their paths."""

    folder: Path
    files: frozenset[str]
    suffixes: frozenset[str]
    """What their names end with."""

    def path_of(self, name: str, beside: Path) -> str | None:
        """Return the path of a file that is named relative to the folder, or to one above; suffixes may lack."""
        above = os.path.relpath(self.folder, beside).replace(os.sep, "/") + "/"
        for path in (name, name.removeprefix(above)):
            if path in self.files:
                return path
            with_suffix = [f"{path}{suffix}" for suffix in self.suffixes if f"{path}{suffix}" in self.files]
            if len(with_suffix) == 1:
                return with_suffix[0]
        return None

    def guess(self, name: str) -> str:
        """Return the nearest name as the end of a message."""
        told = nearest(name, sorted(self.files))
        return told if told.startswith("; did you mean") else ""


def _is_of_other_split(name: str, folder: Path, beside: Path) -> bool:
    """Whether a file is in the folder of another split beside this one, which need not be there."""
    first = name.partition("/")[0]
    return folder.absolute().parent == beside.absolute() and first.lower() in _SPLITS and first != folder.name


def _below(folder: Path, passed: Counter[str]) -> Iterator[str]:
    try:
        yield from files_below(folder, "", passed)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error}") from error
