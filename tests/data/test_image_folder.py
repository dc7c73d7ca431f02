from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.contracts import Validation
from harness.data import fingerprint, load_splits, open_test
from harness.data.inspect import leakage
from harness.errors import DataError
from harness.plugins import Catalog
from tests.data.conftest import dataset, encoded, pictures

CLASSES = ("ant", "bee")


def make_tree(folder: Path, count: int = 10, seed: int = 0, classes: tuple[str, ...] = CLASSES) -> Path:
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(pictures(count, seed=seed * 100 + label)):
            (folder / name / f"{number:02}.png").write_bytes(encoded(image))
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    make_tree(tmp_path / "set" / "train")
    make_tree(tmp_path / "set" / "test", count=3, seed=1)
    return tmp_path / "set"


def test_class_folders_are_labels_in_the_order_of_their_names(tree: Path, catalog: Catalog, cache: Path) -> None:
    (tree / "train" / "ant" / ".DS_Store").write_bytes(b"")
    (tree / "train" / "Thumbs.db").write_bytes(b"")
    wanted = dataset("image_folder", Validation(size=4), path=tree)
    splits = load_splits(wanted, catalog, cache)
    assert splits.classes == CLASSES
    expected = np.concatenate([pictures(10, seed=0), pictures(10, seed=1)])
    assert np.array_equal(splits.train.images, expected[splits.train.index])
    test = open_test(wanted, catalog, cache, lambda _: None)
    assert test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(test.images[:3], pictures(3, seed=100))


def test_folders_can_be_named_one_by_one(tree: Path, catalog: Catalog, cache: Path) -> None:
    wanted = dataset("image_folder", Validation(size=4), train=tree / "train", test=tree / "test")
    assert len(load_splits(wanted, catalog, cache).train) == 16
    assert len(open_test(wanted, catalog, cache, lambda _: None)) == 6


def test_training_works_with_the_test_folder_deleted(tree: Path, catalog: Catalog, cache: Path) -> None:
    (tree / "test").rename(tree / "away")
    wanted = dataset("image_folder", Validation(size=4), path=tree)
    load_splits(wanted, catalog, cache)
    with pytest.raises(DataError, match=r"the test split of image_folder is missing: .*/set/test$"):
        open_test(wanted, catalog, cache, lambda _: None)


def test_one_tree_is_divided_by_class_without_overlap(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    tree = make_tree(tmp_path / "one")
    wanted = dataset("image_folder", Validation(size=4), path=tree, test_fraction=0.3)
    splits = load_splits(wanted, catalog, cache)
    test = open_test(wanted, catalog, cache, lambda _: None)
    assert np.bincount(test.labels).tolist() == [3, 3]
    assert len(splits.train) + len(splits.validation) == 14
    seen = {image.tobytes() for split in (splits.train, splits.validation, test) for image in split.images}
    assert len(seen) == 20


def test_one_tree_without_a_test_fraction_is_told_what_to_give(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    with pytest.raises(DataError, match=r"the train split .* is missing: .*; to divide one tree, give test_fraction"):
        fingerprint(dataset("image_folder", path=make_tree(tmp_path / "one")), catalog, cache)


def test_a_test_fraction_beside_train_and_test_is_refused(tree: Path, catalog: Catalog, cache: Path) -> None:
    with pytest.raises(DataError, match="has train and test; test_fraction is for one tree"):
        fingerprint(dataset("image_folder", path=tree, test_fraction=0.2), catalog, cache)


def test_a_class_without_images_is_named(tree: Path, catalog: Catalog, cache: Path) -> None:
    (tree / "train" / "cow").mkdir()
    with pytest.raises(DataError, match=r"classes without an image \(1\):\n  cow"):
        fingerprint(dataset("image_folder", path=tree), catalog, cache)


def test_classes_that_differ_are_named_at_the_opening(tree: Path, catalog: Catalog, cache: Path) -> None:
    (tree / "test" / "bee").rename(tree / "test" / "wasp")
    wanted = dataset("image_folder", Validation(size=4), path=tree)
    load_splits(wanted, catalog, cache)
    with pytest.raises(DataError, match=r"classes differ .*\n  bee: only in train\n  wasp: only in test"):
        open_test(wanted, catalog, cache, lambda _: None)


def test_files_that_are_no_images_are_listed(tree: Path, catalog: Catalog, cache: Path) -> None:
    (tree / "train" / "bee" / "notes.txt").write_text("not an image")
    (tree / "train" / "ant" / "00.png").write_bytes(encoded(pictures(1)[0])[:60])
    with pytest.raises(DataError, match=r"cannot be read \(2\)") as error:
        fingerprint(dataset("image_folder", path=tree), catalog, cache)
    assert "  bee/notes.txt: unknown format" in str(error.value)
    assert "  ant/00.png: " in str(error.value)


def test_a_folder_without_folders_is_told_what_belongs_there(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="one folder for each class"):
        fingerprint(dataset("image_folder", path=tmp_path), catalog, cache)


def test_one_class_is_not_enough(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    make_tree(tmp_path / "train", classes=("ant",))
    with pytest.raises(DataError, match="1 class, but"):
        fingerprint(dataset("image_folder", path=tmp_path), catalog, cache)


def test_links_to_nowhere_are_listed(tree: Path, catalog: Catalog, cache: Path) -> None:
    (tree / "train" / "bee" / "lost.png").symlink_to(tree / "nowhere.png")
    with pytest.raises(DataError, match=r"missing files \(1\):\n  bee/lost.png"):
        fingerprint(dataset("image_folder", path=tree), catalog, cache)


def test_a_changed_file_is_decoded_again(tree: Path, catalog: Catalog, cache: Path) -> None:
    wanted = dataset("image_folder", path=tree)
    before = fingerprint(wanted, catalog, cache)
    (tree / "train" / "ant" / "00.png").write_bytes(encoded(pictures(1, seed=50)[0]))
    assert fingerprint(wanted, catalog, cache) != before


@pytest.mark.parametrize("start", ["", "train/"])
def test_a_file_of_groups_holds_whole_groups_out(tree: Path, catalog: Catalog, cache: Path, start: str) -> None:
    lines = [f"{start}{name}/{number:02}.png,{number // 2}" for name in CLASSES for number in range(10)]
    (tree / "sessions.csv").write_text("\n".join(["image,session", *lines]))
    wanted = dataset("image_folder", Validation(size=8, groups="sessions.csv"), path=tree)
    splits = load_splits(wanted, catalog, cache)
    assert splits.train.groups is not None
    assert splits.validation.groups is not None
    assert len(splits.validation) == 8
    assert not set(splits.train.groups) & set(splits.validation.groups)


def test_images_without_a_group_are_listed(tree: Path, catalog: Catalog, cache: Path, tmp_path: Path) -> None:
    lines = [f"{name}/{number:02}.png\t{number // 2}" for name in CLASSES for number in range(10)]
    (tmp_path / "groups.txt").write_text("\n".join(lines[:-2]))
    wanted = dataset("image_folder", Validation(groups=str(tmp_path / "groups.txt")), path=tree)
    with pytest.raises(DataError, match=r"without a group \(2\):\n  bee/08.png\n  bee/09.png"):
        load_splits(wanted, catalog, cache)


def test_a_file_of_groups_that_is_not_there_is_named(tree: Path, catalog: Catalog, cache: Path) -> None:
    with pytest.raises(DataError, match=r"groups: nowhere.csv cannot be read"):
        load_splits(dataset("image_folder", Validation(groups="nowhere.csv"), path=tree), catalog, cache)


def test_images_that_are_there_twice_are_named_by_their_files(tree: Path, catalog: Catalog, cache: Path) -> None:
    first = sorted((tree / "train").rglob("*.png"))[3]
    copy = tree / "test" / first.parent.name / "copy.png"
    copy.write_bytes(first.read_bytes())
    (twin,) = leakage(dataset("image_folder", path=str(tree)), catalog, cache).exact_across.examples
    assert twin.first_file == str(first.relative_to(tree))
    assert twin.second_file == str(copy.relative_to(tree))
    assert twin.across.startswith(f"test image {twin.second_file} ({copy.parent.name}) equals train image ")
