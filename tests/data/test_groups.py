"""Whole groups are on one side of every border that is carved; what a given test shares with training is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.contracts import Dataset, SealedSet, Validation
from harness.data import fingerprint, load_splits, open_test, sealed_set
from harness.data.carve import carved_test
from harness.data.checks import check
from harness.data.groups import shared_groups
from harness.data.inspect import describe, leakage
from harness.errors import DataError
from harness.plugins import Catalog
from tests.data.conftest import MakeParquet, dataset, pictures

SESSIONS, SIZE = 12, 10
LABELS = np.repeat(np.arange(SESSIONS) % 2, SIZE)
NAMED = np.repeat([f"s{number:02}" for number in range(SESSIONS)], SIZE)


def noise() -> NDArray[np.uint8]:
    """Return pure noise [120, 8, 8, 3] with a cast of color for each session, which is of one class."""
    random = np.random.default_rng(5)
    casts = np.repeat(random.integers(0, 120, (SESSIONS, 1, 1, 3)), SIZE, axis=0)
    return (casts + random.integers(0, 120, (len(LABELS), 8, 8, 3))).astype(np.uint8)


def opened(wanted: Dataset, catalog: Catalog, cache: Path) -> tuple[set[str], set[str], set[str]]:
    """Return the groups of the images that are trained on, validated on and tested on."""
    splits = load_splits(wanted, catalog, cache)
    test = open_test(wanted, catalog, cache, lambda found: None)
    sides = (splits.train.groups, splits.validation.groups, test.groups)
    assert all(groups is not None for groups in sides)
    train, validation, tested = (set() if groups is None else set(groups.tolist()) for groups in sides)
    return train, validation, tested


@pytest.fixture(params=["tree", "table", "parquet", "npz"])
def lone(request: pytest.FixtureRequest, tmp_path: Path, make_parquet: MakeParquet) -> Dataset:
    """Return the sessions as a set without a test split, which is carved."""
    images, options = noise(), {"groups": "sessions.csv", "test_fraction": 0.25}
    if request.param in {"tree", "table"}:
        folder = tmp_path / "set"
        files = [f"{number:03}.png" for number in range(len(images))]
        if request.param == "tree":
            files = [f"{'ab'[label]}/{name}" for label, name in zip(LABELS, files, strict=True)]
        for name, image in zip(files, images, strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / name)
        pairs = zip(files, NAMED, strict=True)
        (folder / "sessions.csv").write_text("file,session\n" + "".join(f"{name},{each}\n" for name, each in pairs))
        if request.param == "table":
            labels = zip(files, LABELS, strict=True)
            (folder / "labels.csv").write_text("file,label\n" + "".join(f"{name},{each}\n" for name, each in labels))
            options["labels"] = "labels.csv"
        else:
            (folder / "sessions.csv").rename(tmp_path / "sessions.csv")
            options["groups"] = str(tmp_path / "sessions.csv")
        return dataset("image_folder", Validation(fraction=0.2), path=folder, **options)
    options["groups"] = "session"
    if request.param == "parquet":
        make_parquet.write("train", images, LABELS, None, session=NAMED.tolist())
        return dataset("parquet", Validation(fraction=0.2), path=make_parquet.folder, **options)
    np.savez(tmp_path / "a.npz", x=images, y=LABELS, session=NAMED)
    return dataset("npz", Validation(fraction=0.2), train=tmp_path / "a.npz", **options)


def test_whole_groups_are_on_one_side_of_each_border(lone: Dataset, catalog: Catalog, cache: Path) -> None:
    train, validation, tested = opened(lone, catalog, cache)
    assert len(train | validation | tested) == len(train) + len(validation) + len(tested) == SESSIONS
    assert len(tested) == 3
    (told,) = [each for each in (shared_groups(lone, catalog, cache),) if each is not None]
    assert (told.groups, told.test_images, told.words) == (0, 30, "")
    assert check(lone, catalog, cache).wrong == ""


def test_groups_of_validation_alone_are_kept_whole_by_a_carved_test_too(
    lone: Dataset, catalog: Catalog, cache: Path
) -> None:
    """It was not so: on these images validation said chance and the test 95 %."""
    older = lone.model_copy(update={"groups": None, "validation": Validation(fraction=0.2, groups=lone.groups)})
    assert opened(older, catalog, cache) == opened(lone, catalog, cache)


def test_a_cast_of_color_tells_nothing_of_whole_sessions(lone: Dataset, catalog: Catalog, cache: Path) -> None:
    """Nearest neighbors find the session of an image, and so its class, where sessions are divided."""

    def accuracy(wanted: Dataset) -> float:
        train, test = load_splits(wanted, catalog, cache).train, open_test(wanted, catalog, cache, lambda found: None)
        means, asked = (each.images.mean(axis=(1, 2)) for each in (train, test))
        nearest = np.square(asked[:, None] - means[None]).sum(axis=2).argmin(axis=1)
        return float((train.labels[nearest] == test.labels).mean())

    divided = lone.model_copy(update={"groups": None, "validation": Validation(fraction=0.2)})
    assert accuracy(divided) > 0.9
    assert accuracy(lone) < 0.75  # three sessions, of two classes, are guessed one by one


def test_other_carves_are_other_test_sets_and_other_data(lone: Dataset, catalog: Catalog, cache: Path) -> None:
    divided = lone.model_copy(update={"groups": None})
    more = lone.model_copy(update={"test_fraction": 0.5})
    assert len({fingerprint(each, catalog, cache) for each in (lone, divided, more)}) == 3
    files = {sealed_set(each, catalog, cache).files for each in (lone, divided, more)}
    assert len(files) == 3


def given(tmp_path: Path, tested: NDArray[np.int64], **options: str) -> Dataset:
    """Return the sessions with a test split of its own: some of the images, which is what is trained on without."""
    images, kept = noise(), np.setdiff1d(np.arange(len(LABELS)), tested)
    arrays: dict[str, Any] = {"x_train": images[kept], "y_train": LABELS[kept], "site": NAMED[kept]}
    arrays |= {"x_test": images[tested], "y_test": LABELS[tested], "site_test": NAMED[tested]}
    np.savez(tmp_path / "given.npz", **arrays)
    return dataset("npz", Validation(fraction=0.2), path=tmp_path / "given.npz", **options)


def test_a_given_test_that_shares_groups_with_training_is_told(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    wanted = given(tmp_path, np.arange(0, len(LABELS), 4), groups="site")
    (told,) = check(wanted, catalog, cache).remarks
    assert told == (
        "npz: 12 groups of site are in the test split and in training too (s00, s01, s02, s03, s04 and 7 more): 30 of "
        "30 test images are of these, so test figures are too good by what is remembered of them"
    )
    assert not (cache / "decoded").exists()
    found = describe(wanted, catalog, cache)
    assert told in found.remarks and found.leakage.groups is not None
    assert (found.leakage.groups.groups, leakage(wanted, catalog, cache).groups) == (12, found.leakage.groups)


def test_whole_sessions_in_a_given_test_are_right(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    wanted = given(tmp_path, np.arange(20), groups="site")
    assert check(wanted, catalog, cache).remarks == ()
    assert opened(wanted, catalog, cache)[2] == {"s00", "s01"}


def test_groups_that_test_images_lack_are_told_to_be_unknown(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    make_parquet(site=[f"s{number // 5}" for number in range(60)])
    wanted = dataset("parquet", path=make_parquet.folder, groups="site")
    (told,) = check(wanted, catalog, cache).remarks
    assert "which of the groups of site test images are of is not known" in told
    seen: list[SealedSet] = []
    assert open_test(wanted, catalog, cache, seen.append).groups is None and len(seen) == 1


def test_a_file_of_groups_without_the_test_folder_names_training_images(
    tmp_path: Path, catalog: Catalog, cache: Path
) -> None:
    lines = []
    for split, count in (("train", 10), ("test", 4)):
        for label in ("a", "b"):
            (tmp_path / "set" / split / label).mkdir(parents=True)
            for number, image in enumerate(pictures(count, seed=count)):
                Image.fromarray(image).save(tmp_path / "set" / split / label / f"{number}.png")
                lines.append((split, f"{label}/{number}.png", f"g{number // 2}"))
    wanted = dataset("image_folder", path=tmp_path / "set", groups="groups.csv", validation=None)
    file = tmp_path / "set" / "groups.csv"
    file.write_text("".join(f"{name},{group}\n" for split, name, group in lines if split == "train"))
    assert shared_groups(wanted, catalog, cache) is not None
    assert "images without a group (8)" in check(wanted, catalog, cache).remarks[0]
    file.write_text("".join(f"{split}/{name},{group}-{split}\n" for split, name, group in lines))
    assert check(wanted, catalog, cache).remarks == ()
    file.write_text("".join(f"{split}/{name},{group}\n" for split, name, group in lines))
    assert "2 groups of groups.csv are in the test split" in check(wanted, catalog, cache).remarks[0]


def test_groups_that_cannot_be_divided_are_told() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(DataError, match="leaves no training image of"):
        carved_test(labels, 2, 0.5, np.array(["x", "x", "x", "y", "y", "y"]))
    with pytest.raises(DataError, match="have a single image"):
        carved_test(np.array([0, 0, 1]), 2, 0.5, None)
