from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.contracts import LabeledImages
from harness.data import aligned, fingerprint, leakage, likeness
from harness.data.cache import origin_of, read_images
from harness.data.inspect import describe
from harness.data.inspect import leakage as leakage_of
from harness.plugins import Catalog
from tests.data.conftest import NAMES, MakeParquet, dataset, pictures


def scenes(count: int, seed: int = 0, side: int = 32) -> NDArray[np.uint8]:
    """Return smooth random pictures, as different from one another as photographs are."""
    coarse = pictures(count, seed, side=9)
    drawn = (Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in coarse)
    return np.stack([np.asarray(image) for image in drawn])


def labeled(images: NDArray[np.uint8], labels: Any = None) -> LabeledImages:
    given = np.zeros(len(images), np.int64) if labels is None else np.asarray(labels, np.int64)
    return LabeledImages(images, given, np.arange(len(images)))


def find(train: Any, test: Any, train_labels: Any = None, test_labels: Any = None) -> leakage.Leakage:
    return leakage.find_leakage(NAMES, labeled(train, train_labels), labeled(test, test_labels), "")


def test_unrelated_pictures_have_no_twins() -> None:
    found = find(scenes(150), scenes(80, seed=1))
    least = found.least_likeness, found.least_moved_likeness
    assert found == leakage.Leakage(
        checked=True, test_images=80, least_likeness=least[0], least_moved_likeness=least[1]
    )


def test_training_images_copied_into_test_are_counted() -> None:
    train = scenes(100)
    found = find(train, np.concatenate([scenes(20, seed=1), train[30:80]]))
    assert found.exact_across.images == 50
    assert found.near_across.images == 0
    assert {(twin.first, twin.second) for twin in found.exact_across.examples} <= {(30 + k, 20 + k) for k in range(50)}


def changed(images: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    drawn = [Image.fromarray(image) for image in images]
    scaled = [image.resize((26, 26)).resize((32, 32)) for image in drawn]
    return {
        "darker": (images * 0.7).astype(np.uint8),
        "noisy": np.clip(images + np.random.default_rng(5).normal(0, 6, images.shape), 0, 255).astype(np.uint8),
        "rescaled": np.stack([np.asarray(image) for image in scaled]),
        "gray": np.repeat(images.mean(axis=3, keepdims=True), 3, axis=3).astype(np.uint8),
    }


@pytest.mark.parametrize("change", ["darker", "noisy", "rescaled", "gray"])
def test_changed_copies_are_near_duplicates(change: str) -> None:
    train = scenes(100)
    found = find(train, np.concatenate([scenes(20, seed=1), changed(train[40:60])[change]]))
    assert found.exact_across.images == 0
    assert found.near_across.images == found.near_across.pairs == 20
    assert all(twin.second == twin.first - 20 for twin in found.near_across.examples)


def moved(images: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    larger = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    return {
        "mirrored": images[:, :, ::-1],
        "shifted by 0 x 1": larger[:, 2:-2, 1:-3],
        "shifted by 2 x 2": larger[:, 4:, :-4],
        "mirrored and shifted by 1 x 2": larger[:, 1:-3, 4:][:, :, ::-1],
    }


@pytest.mark.parametrize("change", ["mirrored", "shifted by 2 x 2", "mirrored and shifted by 1 x 2"])
@pytest.mark.parametrize("with_noise", [False, True])
def test_mirrored_and_shifted_copies_are_near_duplicates_and_told_as_such(change: str, with_noise: bool) -> None:
    train = scenes(100)
    copies = moved(train[40:60])[change]
    copies = changed(copies)["noisy"] if with_noise else copies
    near = find(train, np.concatenate([scenes(20, seed=1), copies])).near_across
    assert near.images >= 18
    assert near.mirrored + near.shifted >= 18
    assert (near.mirrored > 0) == ("mirrored" in change)
    right = [twin for twin in near.examples if twin.second == twin.first - 20]
    assert len(right) >= 18
    assert sum(twin.change == change for twin in right) >= 16
    assert f"is, {change}, nearly (" in next(twin.across for twin in right if twin.change == change)


def test_a_shift_by_one_pixel_is_found_too_where_pictures_are_smooth() -> None:
    train = scenes(100)
    found = find(train, moved(train[40:60])["shifted by 0 x 1"])
    assert found.near_across.images == 20


def test_what_is_only_nearly_the_same_is_not_called_equal() -> None:
    train = scenes(50) // 2
    found = find(train, train[:10] + 5)
    assert found.near_across.images == 10
    assert all("is nearly (1.00) train image" in twin.across for twin in found.near_across.examples)


def test_digits_are_not_taken_for_mirrored_ones(catalog: Catalog, cache: Path) -> None:
    found = leakage_of(dataset("digits"), catalog, cache)
    assert found.near_across.mirrored + found.near_across.shifted <= 1
    assert found.near_within_train.mirrored + found.near_within_train.shifted <= 2


def test_copies_of_digits_that_are_moved_are_found(catalog: Catalog, cache: Path) -> None:
    whole = read_images(origin_of(dataset("digits"), catalog, cache), "train").images
    for copies, least in (
        (whole[:60, :, ::-1], 57),
        (np.roll(whole[:60], 1, axis=1), 57),
        (np.roll(whole[:60], 2, axis=2), 45),
    ):
        assert find(whole, copies).near_across.images >= least


def test_what_is_said_of_a_search_follows_what_it_looked_for() -> None:
    assert leakage.Leakage(checked=True).limits == ""
    assert "mirrored" in leakage.Leakage(checked=True, least_likeness=0.8).limits
    found = leakage.Leakage(checked=True, least_likeness=0.8, least_moved_likeness=0.8)
    assert found.limits == leakage.NOT_FOUND
    assert "mirrored" not in found.limits


def test_the_blocks_do_not_change_which_moved_copies_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    train = scenes(60)
    shapes = aligned.shapes_of(np.concatenate([train, train[:10, :, ::-1]]))
    search = aligned.learn(shapes, 0.8)
    whole, _ = search.within(shapes)
    monkeypatch.setattr(likeness, "_ROWS", 7)
    monkeypatch.setattr(likeness, "_COLUMNS", 7)
    monkeypatch.setattr(aligned, "_AT_ONCE", 5)
    small, _ = search.within(shapes)
    assert sorted(zip(whole.first, whole.second, strict=True)) == sorted(zip(small.first, small.second, strict=True))
    assert len(whole) == 10


def test_twins_within_a_split_are_counted_once_and_labels_compared() -> None:
    train = scenes(60)
    train = np.concatenate([train, train[:3], changed(train[10:14])["darker"]])
    labels = np.zeros(len(train), np.int64)
    labels[[60, 63]] = 2
    found = find(train, scenes(5, seed=1), labels)
    assert (found.exact_within_train.images, found.exact_within_train.disagreeing) == (3, 1)
    assert (found.near_within_train.images, found.near_within_train.disagreeing) == (4, 1)
    assert found.near_within_train.examples[0].first < found.near_within_train.examples[0].second


def test_flat_images_are_like_nothing() -> None:
    flat = np.stack([np.full((32, 32, 3), level, np.uint8) for level in (0, 1, 100, 254, 255)])
    found = find(np.concatenate([scenes(40), flat]), flat[:1])
    assert found.near_within_train.images == found.near_across.images == 0
    assert found.exact_across.images == 1


def test_faint_steps_in_flat_images_are_no_likeness() -> None:
    step = np.repeat((np.arange(32) >= 16).astype(np.uint8), 3).reshape(1, 32, 3)
    faint = np.stack([np.broadcast_to(level + step, (32, 32, 3)) for level in (10, 90, 200)]).astype(np.uint8)
    found = find(np.concatenate([scenes(40), faint]), scenes(5, seed=1))
    assert found.near_within_train.images == 0


def test_frames_around_different_pictures_are_no_twins() -> None:
    framed = np.full((30, 32, 32, 3), 255, np.uint8)
    framed[:, 6:26, 6:26] = scenes(30, side=20) // 3
    found = find(np.concatenate([scenes(100, seed=1), framed]), scenes(5, seed=2))
    assert found.near_within_train.images == 0


def test_a_crowd_of_look_alikes_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "CROWD", 5)
    base = scenes(80)
    noise = np.random.default_rng(0).normal(0, 4, (20, 32, 32, 3))
    crowd = np.clip(base[:1] + noise, 0, 255).astype(np.uint8)
    found = find(np.concatenate([base[1:], crowd]), scenes(5, seed=1))
    assert found.near_within_train.images == 0


def test_what_is_near_follows_how_alike_the_set_is_anyway(catalog: Catalog, cache: Path) -> None:
    found = leakage_of(dataset("digits"), catalog, cache)
    assert found.least_likeness is not None
    assert found.least_likeness > 0.95
    assert found.near_within_train.images < 20
    assert found.near_across.images < 5


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    train = scenes(60)
    train = np.concatenate([train, changed(train[10:20])["noisy"]])
    vectors = likeness.vectors_of(train)
    least = likeness.least_likeness(vectors.edges)
    whole = likeness.near_within(vectors, least)
    monkeypatch.setattr(likeness, "_ROWS", 7)
    monkeypatch.setattr(likeness, "_COLUMNS", 7)
    small = likeness.near_within(vectors, least)
    assert sorted(zip(whole.first, whole.second, strict=True)) == sorted(zip(small.first, small.second, strict=True))
    assert len(whole) == 10
    assert likeness.least_likeness(vectors.edges) == pytest.approx(least)


def test_more_images_than_can_be_compared_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "MOST_IMAGES", 50)
    train = scenes(60)
    found = find(train, train[:5])
    assert found.exact_across.images == 5
    assert found.least_likeness is None
    assert "at most 50 images" in found.reason


def test_images_of_odd_shapes_can_be_compared() -> None:
    for side, channels in ((1, 1), (3, 1), (17, 3), (50, 1)):
        images = pictures(20, side=side, channels=channels)
        found = leakage.find_leakage(NAMES, labeled(images[:10]), labeled(images[10:]), "")
        assert found.near_across.images == 0 or side < 16


def test_a_description_holds_counts_statistics_and_duplicates(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    make_parquet.write("train", scenes(60), np.arange(60) % 3)
    make_parquet.write("test", [*scenes(9, seed=1), *scenes(60)[:3]], np.arange(12) % 3)
    wanted = dataset("parquet", path=make_parquet.folder)
    description = describe(wanted, catalog, cache)
    assert description.shape == (32, 32, 3)
    assert description.fingerprint == fingerprint(wanted, catalog, cache)
    assert description.train.counts == {"cat": 20, "dog": 20, "emu": 20}
    np.testing.assert_allclose(description.train.mean, scenes(60).reshape(-1, 3).mean(axis=0) / 255)
    assert description.test is not None
    assert description.test.images == 12
    assert description.leakage.exact_across.images == 3
    assert json.loads(description.model_dump_json())["leakage"]["exact_across"]["images"] == 3


def test_a_missing_test_split_is_told_and_not_fatal(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    path = make_parquet()
    (path / "test.parquet").unlink()
    description = describe(dataset("parquet", path=path), catalog, cache)
    assert description.test is None
    assert not description.leakage.checked
    assert "the test split of parquet is missing" in description.leakage.reason
    assert description.train.images == 60


def test_duplicates_are_searched_once(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = dataset("parquet", path=make_parquet())
    first = leakage_of(wanted, catalog, cache)
    (kept,) = (cache / "leakage").glob("*.json")
    before = kept.stat().st_mtime_ns
    assert leakage_of(wanted, catalog, cache) == first
    assert kept.stat().st_mtime_ns == before
