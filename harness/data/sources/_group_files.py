"""A text file that says which group each image belongs to."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import DataError
from harness.words import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_group_file(file: Path, paths: Sequence[str]) -> NDArray[np.str_]:
    """Return each image's group [N] from lines `path,group` (or tabs or semicolons for the comma).

    Paths are relative to the training folder, with or without `train/` before them; a heading and
    images that are not asked for are passed over.

    Raises:
        DataError: a line has no two fields, or an image has no group.
    """
    groups: dict[str, str] = {}
    for number, line in enumerate(_lines(file), 1):
        if len(line) < 2:
            raise DataError(f"{file}:{number}: a line is `image path,group`")
        groups[line[0].strip().replace("\\", "/").removeprefix("./")] = line[1].strip()
    found = [groups.get(path, groups.get(f"train/{path}")) for path in paths]
    without = [path for path, group in zip(paths, found, strict=True) if group is None]
    if without:
        raise DataError(f"{file}: images without a group ({len(without):,}):\n{listed(without)}")
    return np.array(found, dtype=np.str_)


def _lines(file: Path) -> list[list[str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"validation.groups: {file} cannot be read: {error}") from error
    first = text.partition("\n")[0]
    delimiter = next((each for each in "\t;," if each in first), ",")
    return [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if line]
