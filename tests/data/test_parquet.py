from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.contracts import Validation
from harness.data import fingerprint, load_splits, open_test
from harness.data.checks import check
from harness.data.inspect import leakage
from harness.errors import DataError
from harness.plugins import Catalog
from tests.data.conftest import MakeParquet, dataset, encoded, pictures


def test_a_flat_binary_column_and_text_labels(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    table = pa.table({"picture": [encoded(each) for each in pictures(12)], "class": ["b", "a", "c"] * 4})
    pq.write_table(table, tmp_path / "train.parquet")
    splits = load_splits(dataset("parquet", Validation(size=3), path=tmp_path), catalog, cache)
    assert splits.classes == ("a", "b", "c")
    assert np.array_equal(splits.train.labels, np.array([1, 0, 2] * 4)[splits.train.index])
    assert np.array_equal(splits.train.images, pictures(12)[splits.train.index])


def test_whole_number_labels_without_names_are_named_by_their_values(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    make_parquet.write("train", pictures(12), np.array([10, 2, 7] * 4), names=None)
    make_parquet.write("test", pictures(3), [7, 2, 10], names=None)
    wanted = dataset("parquet", Validation(size=3), path=make_parquet.folder)
    assert load_splits(wanted, catalog, cache).classes == ("2", "7", "10")
    assert open_test(wanted, catalog, cache, lambda _: None).labels.tolist() == [1, 0, 2]


def test_shards_are_one_split(make_parquet: MakeParquet, catalog: Catalog, cache: Path, tmp_path: Path) -> None:
    whole = fingerprint(dataset("parquet", path=make_parquet()), catalog, cache)
    table = pq.read_table(make_parquet.folder / "train.parquet")
    (tmp_path / "sharded" / "data").mkdir(parents=True)
    for part in range(3):
        target = tmp_path / "sharded" / "data" / f"train-0000{part}-of-00003.parquet"
        pq.write_table(table.slice(part * 20, 20), target, row_group_size=7)
    assert fingerprint(dataset("parquet", path=tmp_path / "sharded"), catalog, cache) == whole


def test_a_missing_shard_is_an_error(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    make_parquet()
    (make_parquet.folder / "train.parquet").rename(make_parquet.folder / "train-00000-of-00002.parquet")
    with pytest.raises(DataError, match="1 of 2 shards"):
        fingerprint(dataset("parquet", path=make_parquet.folder), catalog, cache)


def test_train_and_test_can_be_named_one_by_one(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    path = make_parquet()
    wanted = dataset("parquet", train=path / "train.parquet", test=path / "test.parquet")
    assert len(load_splits(wanted, catalog, cache).train) == 48
    assert len(open_test(wanted, catalog, cache, lambda _: None)) == 12


def test_training_needs_no_test_option(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    wanted = dataset("parquet", train=make_parquet() / "train.parquet")
    load_splits(wanted, catalog, cache)
    with pytest.raises(DataError, match="the test split of parquet is missing: give test: or path:"):
        open_test(wanted, catalog, cache, lambda _: None)


def test_damaged_images_are_listed_ten_and_the_rest_counted(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    broken = encoded(pictures(1, side=40)[0], "JPEG")[:-60]
    make_parquet.write("train", [*pictures(3), *[b"no image"] * 11, broken], np.arange(15) % 3)
    with pytest.raises(DataError, match=r"cannot be read \(11\)") as error:
        fingerprint(dataset("parquet", path=make_parquet.folder), catalog, cache)
    lines = str(error.value).splitlines()
    assert lines[1] == "  train.parquet: row group 0, row 3: unknown format"
    assert lines[-1] == "  and 1 more"


def test_a_cut_off_image_is_an_error(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    images = [encoded(image, "JPEG") for image in pictures(6, side=40)]
    make_parquet.write("train", [*images[:5], images[5][:-200]], np.arange(6) % 3)
    with pytest.raises(DataError, match="row 5: damaged"):
        fingerprint(dataset("parquet", path=make_parquet.folder), catalog, cache)


def test_images_of_several_sizes_are_told_with_the_fix(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    make_parquet.write("train", [*pictures(5), *pictures(1, side=8)], np.arange(6) % 3)
    wanted = dataset("parquet", Validation(size=3), path=make_parquet.folder)
    with pytest.raises(DataError, match=r"6 x 6: 5 images.*row 0\n  8 x 8: 1 images.*row 5\ngive resize: 6"):
        fingerprint(wanted, catalog, cache)
    resized = dataset("parquet", Validation(size=3), path=make_parquet.folder, resize=[4, 5])
    assert load_splits(resized, catalog, cache).train.images.shape == (3, 4, 5, 3)


def test_gray_beside_color_becomes_color_and_gray_alone_stays_gray(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    gray = pictures(5, channels=1)
    wanted = dataset("parquet", Validation(size=3), path=make_parquet.folder)
    make_parquet.write("train", [*gray, *pictures(1)], np.arange(6) % 3)
    assert load_splits(wanted, catalog, cache).train.images.shape[3] == 3
    make_parquet.write("train", [*gray, gray[0]], np.arange(6) % 3)
    assert load_splits(wanted, catalog, cache).train.images.shape[3] == 1


def test_labels_out_of_range_are_listed(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    make_parquet.write("train", pictures(6), [0, 1, 2, 3, -1, 0])
    with pytest.raises(DataError, match=r"no class \(2\); there are 3 classes, cat, dog, emu\n  row 3: 3\n  row 4: -1"):
        fingerprint(dataset("parquet", path=make_parquet.folder), catalog, cache)


def test_a_declared_class_without_a_training_image_is_left_out_and_told(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    make_parquet.write("train", pictures(6), [0, 2, 0, 2, 0, 2])
    make_parquet.write("test", pictures(4, seed=1), [2, 0, 2, 2])
    wanted = dataset("parquet", Validation(size=2), path=make_parquet.folder)
    splits = load_splits(wanted, catalog, cache)
    assert splits.classes == ("cat", "emu")
    assert open_test(wanted, catalog, cache, lambda *_: None).labels.tolist() == [1, 0, 1, 1]
    told = "classes that are declared but have no training image are left out: dog"
    assert check(wanted, catalog, cache).remarks == (told,)
    make_parquet.write("test", pictures(4, seed=1), [2, 1, 2, 2])
    assert "no class (1); there are 2 classes, cat, emu\n  row 1: 1" in check(wanted, catalog, cache).wrong


def test_other_class_names_in_the_test_file_are_refused(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    make_parquet()
    make_parquet.write("test", pictures(3), [0, 1, 2], names=("cat", "emu", "dog"))
    with pytest.raises(DataError, match="its classes are cat, emu, dog; the training files' cat, dog, emu"):
        open_test(dataset("parquet", path=make_parquet.folder), catalog, cache, lambda _: None)


def test_a_class_that_only_the_test_file_has_is_refused(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    make_parquet.write("train", pictures(6), ["a", "b"] * 3, names=None)
    make_parquet.write("test", pictures(3), ["a", "b", "z"], names=None)
    wanted = dataset("parquet", Validation(size=2), path=make_parquet.folder)
    with pytest.raises(DataError, match=r"no class \(1\).*a, b\n  row 2: z"):
        open_test(wanted, catalog, cache, lambda _: None)


def test_a_named_column_that_is_not_there_gets_the_nearest_name(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    wanted = dataset("parquet", path=make_parquet(), label_column="lable")
    with pytest.raises(DataError, match='label_column: there is no column "lable"; did you mean "label"'):
        fingerprint(wanted, catalog, cache)


def test_columns_that_could_each_be_meant_ask_for_the_option(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    images = [encoded(each) for each in pictures(6)]
    pq.write_table(pa.table({"a": images, "b": images, "label": [0, 1] * 3}), tmp_path / "train.parquet")
    with pytest.raises(DataError, match="give image_column; several could be meant: a, b"):
        fingerprint(dataset("parquet", path=tmp_path), catalog, cache)
    wanted = dataset("parquet", Validation(size=2), path=tmp_path, image_column="b")
    assert len(load_splits(wanted, catalog, cache).train) == 4


def test_a_path_that_is_not_there_gets_the_nearest_name(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    path = make_parquet()
    with pytest.raises(DataError, match=r'parquet: path .*parquett: no such file or folder; did you mean "parquet"'):
        fingerprint(dataset("parquet", path=f"{path}t"), catalog, cache)


def test_empty_images_and_labels_are_errors(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    make_parquet.write("train", [*pictures(5), b""], np.arange(6) % 3)
    with pytest.raises(DataError, match="row 5: there is no image in this row"):
        fingerprint(dataset("parquet", path=make_parquet.folder), catalog, cache)
    make_parquet.write("train", pictures(3), [0, None, 1])
    with pytest.raises(DataError, match='column "label" is empty in 1 rows, the first is row 1'):
        fingerprint(dataset("parquet", path=make_parquet.folder), catalog, cache)


def test_a_damaged_page_is_told_with_its_place(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    path = make_parquet() / "train.parquet"
    about = pq.ParquetFile(path).metadata.row_group(0)
    for column in range(about.num_columns):
        damaged = bytearray(path.read_bytes())
        begin = about.column(column).dictionary_page_offset or about.column(column).data_page_offset
        damaged[begin + 30 : begin + 60] = b"\xff" * 30
        path.write_bytes(bytes(damaged))
    with pytest.raises(DataError, match=r"train\.parquet.*damaged"):
        fingerprint(dataset("parquet", path=make_parquet.folder), catalog, cache)


def test_labels_that_fit_no_int64_are_told(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    rows = [{"bytes": encoded(each), "path": None} for each in pictures(4)]
    table = pa.table({"img": rows, "label": pa.array([0, 1, 2**63 + 5, 0], pa.uint64())})
    pq.write_table(table, make_parquet.folder / "train.parquet")
    with pytest.raises(DataError, match=r'column "label" has 9223372036854775813; labels are whole numbers below'):
        fingerprint(dataset("parquet", path=make_parquet.folder), catalog, cache)


def test_a_table_without_labels_is_told_what_labels_are(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    rows = [encoded(each) for each in pictures(4)]
    pq.write_table(pa.table({"img": rows}), make_parquet.folder / "train.parquet")
    wanted = dataset("parquet", path=make_parquet.folder)
    with pytest.raises(
        DataError, match=r"no column can be label_column: labels are whole numbers, text.*columns: none$"
    ):
        fingerprint(wanted, catalog, cache)
    pq.write_table(pa.table({"img": rows, "box": [[0.0]] * 4}), make_parquet.folder / "train.parquet")
    with pytest.raises(DataError, match=r"no column can be label_column: .*the other columns: box \(list"):
        fingerprint(wanted, catalog, cache)
    with pytest.raises(DataError, match='label_column: column "box" is list'):
        fingerprint(dataset("parquet", path=make_parquet.folder, label_column="box"), catalog, cache)


def test_a_column_of_groups_holds_whole_groups_out(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    path = make_parquet(session=[f"s{row // 6}" for row in range(60)])
    splits = load_splits(dataset("parquet", Validation(size=12, groups="session"), path=path), catalog, cache)
    assert splits.train.groups is not None
    assert splits.validation.groups is not None
    assert len(splits.validation) == 12
    assert len(set(splits.validation.groups)) == 2
    assert not set(splits.validation.groups) & set(splits.train.groups)


def test_other_groups_are_another_fingerprint(make_parquet: MakeParquet, catalog: Catalog, cache: Path) -> None:
    path = make_parquet(one=[f"s{row // 6}" for row in range(60)], two=[row // 6 for row in range(60)])
    prints = {
        fingerprint(dataset("parquet", Validation(size=12, groups=groups), path=path), catalog, cache)
        for groups in (None, "one", "two")
    }
    assert len(prints) == 3


def test_a_group_column_that_is_not_there_gets_the_nearest_name(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    path = make_parquet(session=["s"] * 60)
    with pytest.raises(DataError, match='there is no column "sesion"; did you mean "session"'):
        load_splits(dataset("parquet", Validation(groups="sesion"), path=path), catalog, cache)


def test_images_that_are_there_twice_are_named_where_every_row_has_a_path(
    make_parquet: MakeParquet, catalog: Catalog, cache: Path
) -> None:
    folder = make_parquet()
    given = dataset("parquet", path=folder)
    assert catalog.realize("source", "parquet", given.options).names("train", cache) == []
    images = [encoded(image) for image in pictures(3)]
    rows = [{"bytes": image, "path": f"{number}.png"} for number, image in enumerate(images)]
    pq.write_table(pa.table({"img": rows, "label": pa.array([0, 1, 2])}), folder / "test.parquet")
    twins = leakage(dataset("parquet", path=folder, channels=3), catalog, cache).exact_across.examples
    assert [(twin.first_file, twin.second_file) for twin in twins] == [("", "0.png"), ("", "1.png"), ("", "2.png")]
