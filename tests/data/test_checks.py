"""What is told of a data set before anything is fitted."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from harness.contracts import Cell, Choice, Validation
from harness.data import fingerprint
from harness.data.cache import shades_of
from harness.data.checks import check, check_all, dark
from harness.data.inspect import describe
from harness.errors import DataError
from harness.plugins import Catalog
from tests.data.conftest import MakeParquet, dataset, encoded, pictures
from tests.data.test_image_folder import make_tree
from tests.data.test_npz import write

OWN = Validation(split="val")
CAFE = unicodedata.normalize("NFC", "café")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    make_tree(tmp_path / "set" / "train")
    make_tree(tmp_path / "set" / "test", count=3, seed=1)
    return tmp_path / "set"


def folder(path: Path, **options: Any) -> Any:
    return dataset("image_folder", Validation(size=4), path=path, **options)


def cell(data: Any, test: Literal["once", "never"] = "once") -> Cell:
    return Cell(dataset=data, model=Choice(name="logistic"), recipe=None, seed=0, test=test)


def test_nothing_is_said_of_what_is_right(tree: Path, catalog: Catalog, cache: Path) -> None:
    found = check(folder(tree), catalog, cache)
    assert (found.missing, found.wrong, found.remarks) == ("", "", ())
    assert check_all([cell(folder(tree)), cell(dataset("digits"))], catalog, cache) == ()
    assert not (cache / "decoded").exists()


def test_a_class_of_one_side_alone_is_wrong_before_a_pixel_is_read(tree: Path, catalog: Catalog, cache: Path) -> None:
    (tree / "test" / "bee").rename(tree / "test" / "wasp")
    with pytest.raises(DataError, match=r"classes differ .*\n  bee: only in train\n  wasp: only in test"):
        check_all([cell(folder(tree))], catalog, cache)
    (told,) = check_all([cell(folder(tree), "never")], catalog, cache)
    assert "wasp: only in test" in told
    assert check_all([cell(folder(tree))], catalog, cache, may_open=False) == (told,)
    assert describe(folder(tree), catalog, cache).fault


def test_a_missing_test_folder_is_a_fault_only_where_it_would_be_opened(
    tree: Path, catalog: Catalog, cache: Path
) -> None:
    (tree / "test").rename(tree / "away")
    with pytest.raises(DataError, match="the test split of image_folder is missing"):
        check_all([cell(folder(tree))], catalog, cache)
    for told in (
        check_all([cell(folder(tree), "never")], catalog, cache),
        check_all([cell(folder(tree))], catalog, cache, needs_test=False),
        check_all([cell(folder(tree))], catalog, cache, may_open=False),
    ):
        assert len(told) == 1
        assert "is missing" in told[0]


def test_labels_and_counts_of_tables_are_compared_too(
    make_parquet: MakeParquet, tmp_path: Path, catalog: Catalog, cache: Path
) -> None:
    make_parquet.write("train", pictures(6), ["a", "b"] * 3, names=None)
    make_parquet.write("test", pictures(3), ["a", "b", "z"], names=None)
    wanted = dataset("parquet", Validation(size=2), path=make_parquet.folder)
    assert "row 2: z" in check(wanted, catalog, cache).wrong
    wrong = check(dataset("npz", path=write(tmp_path / "a.npz", y_test=np.array([0, 1, 0, 7]))), catalog, cache).wrong
    assert "row 3: 7" in wrong
    wrong = check(dataset("npz", path=write(tmp_path / "b.npz", y_test=np.array([0, 1, 0]))), catalog, cache).wrong
    assert "4 images but 3 labels" in wrong
    (told,) = check(dataset("npz", path=write(tmp_path / "c.npz", y_test=np.zeros(4, int))), catalog, cache).remarks
    assert told == "npz: test split: classes without a test image (1):\n  1"


def test_a_class_of_one_image_is_told_before_anything_is_fitted(tree: Path, catalog: Catalog, cache: Path) -> None:
    for path in sorted((tree / "train" / "bee").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match=r"too small to be on both sides of the validation split:\n  bee: 1 image"):
        check_all([cell(folder(tree))], catalog, cache)


def test_an_accent_is_the_same_composed_or_not(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    make_tree(tmp_path / "train", classes=("a", CAFE))
    make_tree(tmp_path / "test", classes=("a", unicodedata.normalize("NFD", CAFE)), count=3)
    assert check(folder(tmp_path), catalog, cache).wrong == ""
    found = describe(folder(tmp_path), catalog, cache)
    assert found.test is not None
    assert found.test.counts == {"a": 3, CAFE: 3}
    make_tree(tmp_path / "both" / "train", classes=(CAFE, unicodedata.normalize("NFD", CAFE)))
    with pytest.raises(DataError, match="class folders whose names look the same"):
        describe(folder(tmp_path / "both"), catalog, cache)


def test_text_labels_are_compared_as_they_look(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    make_parquet.write("train", pictures(8), ["a", CAFE] * 4, names=None)
    make_parquet.write("test", pictures(2, seed=1), ["a", unicodedata.normalize("NFD", CAFE)], names=None)
    found = describe(dataset("parquet", Validation(size=2), path=make_parquet.folder), catalog, cache)
    assert found.test is not None
    assert found.test.counts == {"a": 1, CAFE: 1}


def test_a_split_for_validation_that_is_not_used_is_told(
    tree: Path, make_parquet: MakeParquet, tmp_path: Path, catalog: Catalog, cache: Path
) -> None:
    unused = "there is a validation split, which is not used: validation is carved from train"
    make_tree(tree / "val", count=2)
    (told,) = check(folder(tree), catalog, cache).remarks
    assert told == f"image_folder: {unused} (validation: {{split: val}} uses it)"
    apart = dataset("image_folder", Validation(size=4), train=tree / "train", test=tree / "val")
    assert check(apart, catalog, cache).remarks == ()
    assert check(folder(tree).model_copy(update={"validation": OWN}), catalog, cache).remarks == ()
    make_parquet()
    make_parquet.write("validation-00000-of-00001", pictures(3), [0, 1, 2])
    (told,) = check(dataset("parquet", path=make_parquet.folder), catalog, cache).remarks
    assert told.startswith(f"parquet: {unused}")
    path = write(tmp_path / "a.npz", x_val=pictures(2, channels=1), y_val=np.arange(2))
    (told,) = check(dataset("npz", Validation(size=4), path=path), catalog, cache).remarks
    assert told.startswith(f"npz: {unused}")


def test_what_other_programs_left_is_passed_over_and_told(tree: Path, catalog: Catalog, cache: Path) -> None:
    before = describe(folder(tree), catalog, cache).fingerprint
    for place in ("train/__MACOSX/ant", "train/@eaDir", "train/ant/@eaDir", "train/bee/.cache"):
        (tree / place).mkdir(parents=True)
        (tree / place / "SYNOPHOTO_THUMB_M.jpg").write_bytes(b"no image")
    for place in ("train/.DS_Store", "train/ant/.DS_Store", "train/ant/Thumbs.db", "train/ant/._00.png"):
        (tree / place).write_bytes(b"no image")
    found = describe(folder(tree), catalog, cache)
    assert found.fingerprint == before
    (told,) = found.remarks
    assert told == f"passed over in {tree / 'train'}: .DS_Store (2), ._*, .cache/, @eaDir/ (2), Thumbs.db, __MACOSX/"


@pytest.mark.parametrize(
    ("folders", "options", "message"),
    [
        (("Train", "Test"), {}, r"is missing: .*/train; give train: .*/Train and test: .*/Test$"),
        (("Train", "Test"), {"test_fraction": 0.2}, r"Train, Test are splits and no classes; give train: .*Train and "),
        (("train", "val"), {}, r"is missing: .*/test; to test on val/, give train: .*/train and test: .*/val; to keep"),
        (("training", "testing"), {}, r"give train: .*/training and test: .*/testing$"),
        (("inner/train", "inner/test"), {}, r"is missing: .*/train; did you mean path: .*/inner\?$"),
        ((".",), {}, r"is missing: .*/train; to divide one tree, give test_fraction$"),
    ],
)
def test_the_nearest_right_layout_is_told(
    folders: tuple[str, ...], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    for place in folders:
        make_tree(tmp_path / "set" / place)
    with pytest.raises(DataError, match=message):
        check_all([cell(folder(tmp_path / "set", **options))], Catalog(), tmp_path / "cache")


def test_what_is_not_there_is_not_checked(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    (told,) = check_all([cell(folder(tmp_path / "elsewhere"))], catalog, cache)
    assert told == f"image_folder: {tmp_path / 'elsewhere'} is not there, so the data set is not checked"


def test_images_that_use_few_shades_are_told(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    assert shades_of(np.array([[[[3], [200]]]], np.uint8)).remark == ""
    dim = (pictures(20, channels=1) // 16)[..., 0]
    path = write(tmp_path / "dim.npz", x_train=dim)
    (told,) = dark([dataset("npz", Validation(size=4), path=path)], catalog, cache)
    assert "values from 0 to 15 of 255, 16 shades" in told
    assert "give white" in told
    found = describe(dataset("npz", Validation(size=4), path=path), catalog, cache)
    assert (found.train.minimum, found.train.maximum, found.train.shades) == (0, 15, 16)
    assert "16 shades" in found.remarks[0]
    assert dark([dataset("digits")], catalog, cache) == ()


def test_a_name_that_is_no_utf_8_is_named(tree: Path, catalog: Catalog, cache: Path) -> None:
    (tree / "train" / "ant" / "caf\udce9.png").write_bytes(encoded(pictures(1)[0]))
    with pytest.raises(DataError, match=r"names that are no UTF-8 \(1\); rename them:\n  ant/caf\\xe9.png"):
        check_all([cell(folder(tree))], catalog, cache)


def test_tables_of_eight_bits_are_what_they_were(
    make_parquet: MakeParquet, tmp_path: Path, catalog: Catalog, cache: Path
) -> None:
    """The fingerprints are those of the version before."""
    assert fingerprint(dataset("parquet", path=make_parquet()), catalog, cache) == "7ce7de337915a3ddd6333cd8344acdd6"
    archive = dataset("npz", path=write(tmp_path / "a.npz"))
    assert fingerprint(archive, catalog, cache) == "f3adbc5352b1b78a164f0d6df3ec5cbb"
