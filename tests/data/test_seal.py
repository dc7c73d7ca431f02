from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.contracts import Limit, SealedSet
from harness.data import load_splits, open_test
from harness.errors import DataError, SealError
from harness.plugins import Catalog
from tests.data.conftest import MakeParquet, dataset, pictures

READERS = {"read_images", "read_meta", "make_present", "read", "_decoded"}


def decoded_tests(cache: Path) -> list[Path]:
    return [each for each in cache.glob("decoded/*-test-*") if each.is_dir()]


def test_the_opening_is_recorded_before_a_test_image_is_read(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    seen: list[int] = []
    wanted = dataset("parquet", path=make_parquet())
    test = open_test(wanted, catalog, cache, lambda _: seen.append(len(decoded_tests(cache))))
    assert seen == [0]
    assert np.array_equal(test.images, pictures(12, seed=1))
    assert test.labels.tolist() == [0, 1, 2] * 4


def test_a_refused_opening_reads_nothing(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    def refuse(_test_set: SealedSet) -> None:
        raise SealError("opened before")

    with pytest.raises(SealError):
        open_test(dataset("parquet", path=make_parquet()), catalog, cache, refuse)
    assert decoded_tests(cache) == []


def test_a_missing_test_split_costs_no_opening(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    path = make_parquet()
    wanted = dataset("parquet", path=path)
    kept = (path / "test.parquet").read_bytes()
    (path / "test.parquet").unlink()
    openings: list[str] = []
    load_splits(wanted, catalog, cache)
    with pytest.raises(DataError, match=r"the test split of parquet is missing: .*test\.parquet"):
        open_test(wanted, catalog, cache, lambda _: openings.append("opened"))
    assert openings == []
    (path / "test.parquet").write_bytes(kept)
    assert len(open_test(wanted, catalog, cache, lambda _: openings.append("opened"))) == 12
    assert openings == ["opened"]


def test_a_test_file_that_is_no_parquet_costs_no_opening(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    path = make_parquet()
    (path / "test.parquet").write_bytes(b"half a file")
    openings: list[str] = []
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        open_test(dataset("parquet", path=path), catalog, cache, lambda _: openings.append("opened"))
    assert openings == []


def test_every_opening_is_recorded_even_when_the_images_are_cached(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    wanted = dataset("parquet", path=make_parquet())
    openings: list[str] = []
    for _ in range(2):
        open_test(wanted, catalog, cache, lambda _: openings.append("opened"))
    assert openings == ["opened", "opened"]


def test_the_test_limit_is_stratified(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    wanted = dataset("parquet", path=make_parquet(), limit=Limit(test=6))
    test = open_test(wanted, catalog, cache, lambda _: None)
    assert np.bincount(test.labels).tolist() == [2, 2, 2]
    assert np.array_equal(test.images, pictures(12, seed=1)[test.index])


def test_gray_test_images_get_the_channels_of_the_training_images(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    make_parquet()
    make_parquet.write("test", pictures(3, channels=1), [0, 1, 2])
    test = open_test(dataset("parquet", path=make_parquet.folder), catalog, cache, lambda _: None)
    assert test.images.shape == (3, 6, 6, 3)


def test_test_images_of_another_size_are_refused(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    make_parquet()
    make_parquet.write("test", pictures(3, side=8), [0, 1, 2])
    with pytest.raises(DataError, match="training images are 6 x 6\n  8 x 8: 3 images"):
        open_test(dataset("parquet", path=make_parquet.folder), catalog, cache, lambda _: None)


def test_only_the_seal_names_the_test_split_when_it_reads() -> None:
    root = Path(harness.__file__).parent
    reading = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if _reads_test(path)}
    assert reading == {"data/seal.py"}


def test_only_inspect_asks_for_the_leakage_check() -> None:
    root = Path(harness.__file__).parent
    calling = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "read_test_for_leakage_check" in path.read_text()
    }
    assert calling == {"data/seal.py", "data/inspect.py"}


def _reads_test(path: Path) -> bool:
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(_called(call) in READERS and _names_test(call) for call in calls)


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _names_test(call: ast.Call) -> bool:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(isinstance(value, ast.Constant) and value.value == "test" for value in values)
