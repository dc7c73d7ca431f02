"""What is taken for what: counts, scores by class, and how many guesses it takes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from harness.measure.predictions import write_confusion
from harness.report.blocks import Charts, Fold, Images, Text
from harness.report.context import context_of
from harness.report.predictions import PredictionFiles
from harness.report.sections.confusions import class_table, confusions_of, heat_picture, section, top_tables
from harness.report.store import gather
from harness.report.variants import experiment_variants
from tests.charts.checks import rows as rows_of
from tests.report.predicted import predict
from tests.report.studies import CLASSES, STUDY, KeptStore, cell_of, plan_of


def test_confusions_are_summed_over_seeds_of_the_test_set(store: KeptStore) -> None:
    cells = [cell_of("mlp", seed) for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for planned in cells:
        store.finish(planned, 0.9)
    found = confusions_of(experiment_variants(gather(store, STUDY))[0], store)
    assert found is not None
    assert (found.split, found.seeds, found.classes) == ("test", 2, CLASSES)
    assert found.counts.tolist() == [[16, 4, 0], [2, 18, 0], [0, 0, 20]]
    assert [(each.true, each.predicted, each.count, each.of) for each in found.worst] == [
        ("cat", "dog", 4, 20),
        ("dog", "cat", 2, 20),
    ]


def test_classes_have_precision_recall_and_f1_and_the_worst_is_marked(store: KeptStore) -> None:
    cells = [cell_of("a", seed) for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for planned in cells:
        store.finish(planned, 0.9)
    confusions = confusions_of(experiment_variants(gather(store, STUDY))[0], store)
    assert confusions is not None
    rows = [[value.text for value in row] for row in class_table(confusions).rows]
    assert rows[0] == ["cat", "10", "88.89 ± 0.00", "80.00 ± 0.00", "84.21 ± 0.00"]
    assert rows[2] == ["owl", "10", "100.00 ± 0.00", "100.00 ± 0.00", "100.00 ± 0.00"]
    assert [row[4].tone for row in class_table(confusions).rows] == ["bad", "", ""]


def many_classes(store: KeptStore, classes: int) -> Charts | Images:
    """Return the matrix of a variant with so many classes."""
    planned = cell_of("mlp")
    run = store.keep(plan_of(planned)).finish(planned, 0.5)
    counts = np.eye(classes, dtype=np.int64) * 9
    counts[0, 1] = 1
    names = [f'<b> & "quoted" {place}' for place in range(classes)]
    write_confusion(counts, names, store.folder / run.run_id / "confusion.csv")
    found = section(context_of(store, STUDY))
    assert found is not None
    (fold,) = (block for block in found.blocks if isinstance(block, Fold))
    matrix = fold.blocks[0]
    assert isinstance(matrix, Charts | Images)
    return matrix


@pytest.mark.parametrize("classes", [2, 20])
def test_a_matrix_is_a_chart_with_a_mark_for_each_pair_that_occurs(store: KeptStore, classes: int) -> None:
    matrix = many_classes(store, classes)
    assert isinstance(matrix, Charts)
    assert len([row for row in rows_of(matrix.charts[0]) if "n" in row]) == classes + 1


def test_a_matrix_of_a_hundred_classes_is_a_picture(store: KeptStore) -> None:
    matrix = many_classes(store, 100)
    assert isinstance(matrix, Images)
    assert matrix.pictures[0].words.startswith("Confusion matrix of mlp: 100 classes")


def test_a_picture_of_a_matrix_is_clear_where_nothing_was_counted() -> None:
    counts = np.eye(40, dtype=np.int64) * 3
    counts[0, 1] = 1
    pixels = np.asarray(Image.open(io.BytesIO(heat_picture(counts))))
    assert pixels.shape == (480, 480, 4)
    assert [int(pixels[6, x, 3]) for x in (6, 18, 30)] == [round(255 * 0.75**0.5), round(255 * 0.5), 0]


def test_f1_of_all_variants_stands_side_by_side_by_class(store: KeptStore) -> None:
    cells = [cell_of("a"), cell_of("b")]
    store.keep(plan_of(*cells))
    for planned in cells:
        store.finish(planned, 0.9)
    found = section(context_of(store, STUDY))
    assert found is not None
    first = found.blocks[0]
    assert isinstance(first, Charts)
    assert first.charts[0].name == "class-f1"
    assert sorted({row["f"] for row in rows_of(first.charts[0])}) == [84.2105, 85.7143, 100]


def test_a_model_that_says_one_class_of_all_is_left_out_of_f1_by_class(store: KeptStore) -> None:
    cells = [cell_of(name) for name in ("a", "b", "floor")]
    store.keep(plan_of(*cells))
    for planned in cells:
        run = store.finish(planned, 0.9)
    write_confusion(np.array([[10, 0, 0]] * 3), CLASSES, store.folder / run.run_id / "confusion.csv")
    found = section(context_of(store, STUDY))
    assert found is not None
    first, told, *_ = found.blocks
    assert isinstance(first, Charts) and isinstance(told, Text)
    assert "floor" not in first.charts[0].words
    assert told.words == "Left out of it: floor, one class for every image."


def test_of_ten_classes_or_more_it_is_told_how_often_the_true_one_is_among_five(store: KeptStore) -> None:
    planned = cell_of("mlp")
    store.keep(plan_of(planned))
    names = tuple(f"c{place}" for place in range(10))
    # scores fall from the first class to the last: class k has k classes above it
    predict(store, planned, (0, 4, 5, 9), (0, 0, 0, 0), classes=names, thumbnails=False)
    (table,) = top_tables(experiment_variants(gather(store, STUDY)), PredictionFiles(store))
    assert [value.text for value in table.rows[0]] == ["mlp", "25.00", "50.00"]
    assert [column.title for column in table.columns][1:] == ["top-1 %", "top-5 %"]


def test_of_three_classes_it_is_not(store: KeptStore) -> None:
    planned = cell_of("mlp")
    store.keep(plan_of(planned))
    predict(store, planned, (0, 1), (0, 0), thumbnails=False)
    assert list(top_tables(experiment_variants(gather(store, STUDY)), PredictionFiles(store))) == []
