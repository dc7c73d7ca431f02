"""Flat folders of pictures whose classes are in a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contracts import Dataset, Validation
from harness.data import image_names, load_splits
from harness.data.checks import check
from harness.errors import DataError
from harness.plugins import Catalog
from tests.data.conftest import dataset, encoded, pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of pictures 00.png to 19.png, and a table for it: even ones are cats, odd ones dogs."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number, image in enumerate(pictures(20)):
        (folder / f"{number:02}.png").write_bytes(encoded(image))
    table(folder, [f"{number:02}.png,{('cat', 'dog')[number % 2]}" for number in range(20)])
    return folder


def table(folder: Path, lines: list[str], heading: str = "file,label") -> None:
    (folder / "labels.csv").write_text("\n".join([heading, *lines]) + "\n")


def flat(folder: Path, **options: object) -> Dataset:
    options = {"labels": "labels.csv", "test_fraction": 0.2} | options
    return dataset("image_folder", Validation(size=4), path=folder, **options)


def test_a_table_gives_the_classes_of_one_flat_folder(folder: Path, catalog: Catalog, cache: Path) -> None:
    (folder / "99.png").write_bytes(encoded(pictures(1)[0]))
    splits = load_splits(flat(folder), catalog, cache)
    assert (splits.classes, len(splits.train), len(splits.validation)) == (("cat", "dog"), 12, 4)
    names = image_names(flat(folder), catalog, cache, "train")
    both = [*zip(splits.train.index, splits.train.labels, strict=True)]
    assert all(int(Path(names[index]).stem) % 2 == label for index, label in both)
    assert check(flat(folder), catalog, cache).remarks == (
        f"passed over in {folder}: files that labels.csv does not name",
    )


def test_columns_have_other_names_and_files_no_suffix(folder: Path, catalog: Catalog, cache: Path) -> None:
    lines = [f"{number},{number:02},x,{number % 2 + 9}" for number in range(20)]
    table(folder, lines, heading="row,picture,junk,kind")
    wanted = flat(folder, image_column="picture", label_column="kind")
    assert load_splits(wanted, catalog, cache).classes == ("9", "10")


def test_one_table_names_the_files_of_both_folders(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    lines = []
    for split, count in (("train", 12), ("test", 4)):
        (tmp_path / split).mkdir()
        for number, image in enumerate(pictures(count)):
            (tmp_path / split / f"{number}.png").write_bytes(encoded(image))
            lines.append(f"{split}/{number}.png,{'ab'[number % 2]}")
    table(tmp_path, lines)
    wanted = flat(tmp_path, test_fraction=None)
    assert check(wanted, catalog, cache).remarks == ()
    assert len(load_splits(wanted, catalog, cache).train) == 8
    for file in (tmp_path / "test").iterdir():
        file.unlink()
    (tmp_path / "test").rmdir()
    assert len(load_splits(wanted, catalog, cache).train) == 8


@pytest.mark.parametrize(
    ("changed", "heading", "options", "said"),
    [
        (
            {3: "3.png,dog", 5: "05.pn,dog"},
            None,
            {},
            r"wrong lines \(2\):\n  line 5: 3.png is not there.*\n  line 7: 05.pn",
        ),
        ({4: "02.png,cat"}, None, {}, r"wrong lines \(1\):\n  line 6: 02.png is there twice, first in line 4$"),
        ({2: "02.png,"}, None, {}, r"labels.csv:4: there is no class in this line"),
        ({2: ",cat"}, None, {}, r"labels.csv:4: there is no file in this line"),
        ({}, "picture,kind", {}, r"labels.csv:1: give image_column; the first line of labels.csv names picture, kind"),
        ({}, None, {"label_column": "lable"}, r'label_column: there is no column "lable"; did you mean "label"\?'),
        ({}, None, {"labels": "lables.csv"}, r"labels: lables.csv cannot be read"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_with_its_line(
    changed: dict[int, str], heading: str | None, options: dict[str, str], said: str, folder: Path
) -> None:
    lines = [f"{number:02}.png,{('cat', 'dog')[number % 2]}" for number in range(20)]
    table(folder, [changed.get(number, line) for number, line in enumerate(lines)], heading or "file,label")
    with pytest.raises(DataError, match=said):
        check(flat(folder, **options), Catalog(), folder / "cache")


def test_columns_without_a_table_are_refused(folder: Path, catalog: Catalog, cache: Path) -> None:
    with pytest.raises(DataError, match="image_column and label_column are of a table: give labels, too"):
        check(flat(folder, labels=None, image_column="file"), catalog, cache)
