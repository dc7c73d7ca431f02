from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from harness.contracts import Dataset
from harness.contracts.metrics import JOULES, PLAIN_TRAIN_ACCURACY
from harness.errors import InputError
from harness.report import summarize
from harness.report.blocks import Table
from harness.report.csv_files import cells_csv, results_csv
from harness.report.sections.results import results_table
from harness.report.store import gather
from harness.report.variants import experiment_variants
from harness.words import Spread
from tests.report.predicted import predict
from tests.report.studies import STUDY, KeptStore, Run, cell_of, plan_of


def table_of(store: KeptStore, baseline: str | None = None) -> Table:
    return results_table(experiment_variants(gather(store, STUDY)), baseline)


def texts(table: Table) -> list[dict[str, str]]:
    titles = [column.title for column in table.columns]
    return [dict(zip(titles, (value.text for value in row), strict=True)) for row in table.rows]


def test_seeds_of_a_variant_are_one_row_with_mean_and_sample_deviation(store: KeptStore) -> None:
    cells = [cell_of("mlp", seed) for seed in (0, 1, 2)]
    store.keep(plan_of(*cells))
    for planned, accuracy in zip(cells, (0.5, 0.6, 0.7), strict=True):
        store.finish(planned, accuracy, accuracy - 0.1)
    (row,) = texts(table_of(store))
    assert row["experiment"] == "mlp"
    assert row["test top-1 %"] == "60.00 ± 10.00"
    assert row["test macro-F1 %"] == "59.00 ± 10.00"
    assert row["val. top-1 %"] == "50.00 ± 10.00"
    assert row["parameters"] == "288,746"
    assert row["train time"] == "61.0 ± 0.0 s"
    assert row["cells"] == "3/3"


def test_a_single_seed_has_no_deviation(store: KeptStore) -> None:
    planned = cell_of("mlp")
    store.keep(plan_of(planned)).finish(planned, 0.5)
    assert texts(table_of(store))[0]["test top-1 %"] == "50.00"


def test_rows_are_sorted_by_test_accuracy_then_validation_and_empty_ones_come_last(store: KeptStore) -> None:
    low, high, sealed, missing = cell_of("low"), cell_of("high"), cell_of("sealed", test="never"), cell_of("missing")
    store.keep(plan_of(missing, sealed, low, high))
    store.finish(low, 0.4, 0.9)
    store.finish(high, 0.6, 0.1)
    store.finish(sealed, None, 0.99, tags={"harness.test": "never"})
    assert [row["experiment"] for row in texts(table_of(store))] == ["high", "low", "sealed", "missing"]


def test_an_experiment_that_never_opens_the_test_set_shows_sealed(store: KeptStore) -> None:
    planned = cell_of("logistic", test="never")
    store.keep(plan_of(planned)).finish(planned, None, 0.4)
    row = texts(table_of(store))[0]
    assert (row["test top-1 %"], row["val. top-1 %"]) == ("sealed", "40.00")


def test_failed_and_missing_cells_are_counted_and_their_reason_is_told(store: KeptStore) -> None:
    cells = [cell_of("mlp", seed) for seed in (0, 1, 2)]
    store.keep(plan_of(*cells)).finish(cells[0], 0.5)
    store.fail(cells[1], "loss is nan at epoch 3\nstep 7")
    table = table_of(store)
    assert texts(table)[0]["cells"] == "1/3 (1 failed, 1 missing)"
    assert table.notes == (
        "mlp: 1 cell failed (seed 1): loss is nan at epoch 3 step 7",
        "mlp: 1 cell missing (seed 2): not run yet",
    )


def test_a_row_without_any_figure_is_still_there(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("mlp"))).fail(cell_of("mlp"), "out of memory")
    (row,) = texts(table_of(store))
    assert (row["experiment"], row["test top-1 %"], row["cells"]) == ("mlp", "-", "0/1 (1 failed)")


def test_times_of_different_devices_are_never_averaged(store: KeptStore) -> None:
    cells = [cell_of("mlp", seed) for seed in (0, 1)]
    store.keep(plan_of(*cells)).finish(cells[0], 0.5, device="a CPU", seconds=100)
    store.finish(cells[1], 0.5, device="a GPU", seconds=10)
    table = table_of(store)
    assert texts(table)[0]["train time"] == "mixed"
    assert texts(table)[0]["device"] == "a CPU, a GPU"
    assert table.notes == ("mlp: train time 100.0 s on a CPU, 10.0 s on a GPU",)


def test_variants_of_a_matrix_are_rows_of_their_own(store: KeptStore) -> None:
    path = "recipe.label_smoothing"
    cells = [cell_of("vgg", 0, f"label_smoothing={value}", variant=((path, value),)) for value in (0.0, 0.1)]
    store.keep(plan_of(*cells))
    for planned in cells:
        store.finish(planned, 0.9)
    names = [row["experiment"] for row in texts(table_of(store))]
    assert names == ["vgg label_smoothing=0.0", "vgg label_smoothing=0.1"]


def test_the_baseline_column_shows_points_gained(store: KeptStore) -> None:
    hog, mlp = cell_of("hog"), cell_of("mlp")
    store.keep(plan_of(hog, mlp)).finish(hog, 0.58)
    store.finish(mlp, 0.53)
    assert [row["vs hog"] for row in texts(table_of(store, "hog"))] == ["-", "-5.00"]


def test_two_data_sets_are_told_apart(store: KeptStore) -> None:
    here = cell_of("mlp", 0, "digits")
    there = cell_of("mlp", 0, "parquet", dataset=Dataset(name="parquet", path="/data/cifar10-jpeg"))
    store.keep(plan_of(here, there)).finish(here, 0.9)
    assert [row["data"] for row in texts(table_of(store))] == ["digits", "parquet cifar10-jpeg"]


def test_a_finished_cell_whose_source_changed_counts_and_is_named_stale(store: KeptStore) -> None:
    planned = cell_of("mlp")
    store.keep(plan_of(planned)).finish(planned, 0.5, tags={"harness.source_digest": "older"})
    table = table_of(store)
    assert texts(table)[0]["test top-1 %"] == "50.00"
    assert texts(table)[0]["cells"] == "1/1 (1 stale)"


def test_a_finished_run_counts_though_a_later_one_failed(store: KeptStore) -> None:
    planned = cell_of("mlp")
    store.keep(plan_of(planned)).finish(planned, 0.5)
    store.cells[planned.key].append(Run("later", "cell", "mlp s0", "FAILED", {}, {}))
    assert texts(table_of(store))[0]["cells"] == "1/1"


def test_training_on_all_images_is_noted(store: KeptStore) -> None:
    planned = cell_of("mlp", train_on="train+val")
    store.keep(plan_of(planned)).finish(planned, 0.5)
    assert table_of(store).notes == ("mlp: fitted on train+val",)


def test_the_terminals_rows_are_those_of_the_report(store: KeptStore) -> None:
    cells = [cell_of("mlp", 0), cell_of("mlp", 1), cell_of("hog")]
    store.keep(plan_of(*cells)).finish(cells[0], 0.5, 0.45)
    store.finish(cells[2], 0.6, 0.55)
    rows = summarize(store, STUDY).rows
    assert [row.experiment for row in rows] == ["hog", "mlp"]
    assert (rows[1].test_accuracy, rows[1].val_accuracy) == (Spread(1, 0.5, None), Spread(1, 0.45, None))
    assert (rows[1].cells_finished, rows[1].cells_planned) == (1, 2)
    assert rows[1].notes == ("1 cell missing (seed 1): not run yet",)


def test_a_study_that_was_never_run_is_an_input_error(store: KeptStore) -> None:
    with pytest.raises(InputError, match='"a study" was never run'):
        summarize(store, STUDY)


def test_the_terminal_shows_the_letters(store: KeptStore) -> None:
    labels = [place % 3 for place in range(200)]
    wrong = [(label + 1) % 3 if place < 90 else label for place, label in enumerate(labels)]
    cells = {name: cell_of(name) for name in ("best", "far")}
    store.keep(plan_of(*cells.values()))
    for name, said in (("best", labels), ("far", wrong)):
        predict(store, cells[name], labels, said, thumbnails=False)
    assert [(row.experiment, row.letters) for row in summarize(store, STUDY).rows] == [("best", "a"), ("far", "b")]


def test_the_csv_has_energy_and_plain_training_accuracy_and_no_mean_of_energy_over_devices(store: KeptStore) -> None:
    cells = [cell_of("mlp", seed) for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for planned, device in zip(cells, ("a CPU", "a GPU"), strict=True):
        run = store.finish(planned, 0.5, device=device)
        measured = dict(run.metrics) | {JOULES: 100.0, PLAIN_TRAIN_ACCURACY: 0.75}
        store.cells[planned.key] = [replace(run, metrics=measured)]
    (row,) = csv.DictReader(results_csv(gather(store, STUDY)).splitlines())
    assert (row["train/accuracy_plain mean"], row["energy/joules mean"]) == ("0.75", "")
    each = csv.DictReader(cells_csv(gather(store, STUDY)).splitlines())
    assert [row["energy/joules"] for row in each] == ["100.0", "100.0"]
