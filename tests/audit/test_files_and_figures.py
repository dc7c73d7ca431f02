"""What a cell left, against what the store says of it: one altered byte is noticed."""

import json

import pandas as pd
import pytest

from harness.audit.data import check_labels, check_splits
from harness.audit.figures import check_figures, check_fits
from harness.audit.files import check_artifacts
from harness.measure.scores import LATER
from harness.track import Store
from tests.audit.studies import artifact, drop_tag, evidence_of, faults, flip_byte, forge, remarks, run_of, set_tag


def figures(store: Store) -> list[str]:
    return [what for where, what in faults(check_figures(evidence_of(store))) if where == "deep s0"]


def files(store: Store) -> list[str]:
    return [what for where, what in faults(check_artifacts(evidence_of(store))) if where == "deep s0"]


@pytest.mark.parametrize("place", [None, 40, -20])
@pytest.mark.parametrize("split", ["val", "test", "test_tta"])
def test_one_altered_byte_of_predictions_fails(store: Store, split: str, place: int | None) -> None:
    flip_byte(artifact(store, "deep", f"predictions/{split}.parquet"), place)
    assert files(store) == [f"predictions/{split}.parquet was altered since it was logged"]


@pytest.mark.parametrize("name", ["model/model.safetensors", "confusion.csv", "errors.png", "metrics.json"])
def test_one_altered_byte_of_any_file_fails(store: Store, name: str) -> None:
    flip_byte(artifact(store, "deep", name))
    assert f"{name} was altered since it was logged" in files(store)


def test_an_altered_or_lost_list_of_digests_fails(store: Store) -> None:
    listing = artifact(store, "deep", "digests.json")
    flip_byte(listing)
    assert files(store) == ["digests.json is not the one that was logged"]
    listing.unlink()
    assert files(store) == ["digests.json is gone"]


def test_a_lost_file_fails(store: Store) -> None:
    artifact(store, "deep", "predictions/test.parquet").unlink()
    assert files(store) == ["predictions/test.parquet is gone"]
    assert figures(store)[0] == "test/accuracy is in the store, but predictions/test.parquet is gone"


def test_other_weights_than_the_ledgers_fail_even_where_no_digests_were_logged(store: Store) -> None:
    drop_tag(store, "harness.artifacts_digest")
    flip_byte(artifact(store, "deep", "model/model.safetensors"))
    (what,) = files(store)
    model = run_of(store, "deep").tags["harness.model_digest"]
    assert what.endswith(f"but its figures are on record for model {model}")


@pytest.mark.parametrize(
    "metric",
    ["val/accuracy", "val/loss", "test/accuracy", "test/macro_f1", "test/loss", "test/auc", "test/accuracy_tta"],
)
def test_an_altered_metric_fails_against_the_predictions_alone(store: Store, metric: str) -> None:
    run = run_of(store, "deep")
    forge(store, "UPDATE latest_metrics SET value = value * 1.0001 WHERE run_uuid = ? AND key = ?", run.run_id, metric)
    (what,) = figures(store)
    assert what.startswith(f"{metric} is {run.metrics[metric] * 1.0001:.8g} in the store, {run.metrics[metric]:.8g} by")


@pytest.mark.parametrize("metric", ["time/train_seconds", "model/flops", "memory/peak_bytes", "test/accuracy"])
def test_the_last_bit_of_a_final_metric_counts(store: Store, metric: str) -> None:
    run = run_of(store, "deep")
    value = run.metrics[metric] * (1 + 2**-52)
    forge(store, "UPDATE latest_metrics SET value = ? WHERE run_uuid = ? AND key = ?", value, run.run_id, metric)
    assert files(store) == [f"{metric} is {value!r} in the store, the cell reported {run.metrics[metric]!r}"]


def test_a_removed_metric_fails(store: Store) -> None:
    run_id = run_of(store, "deep").run_id
    forge(store, "DELETE FROM latest_metrics WHERE run_uuid = ? AND key = 'test/loss'", run_id)
    assert [what.split(";")[0] for what in files(store)] == ["test/loss is not in the store any more"]


def test_altered_tables_fail_against_the_predictions_alone(store: Store) -> None:
    table, report = artifact(store, "deep", "confusion.csv"), artifact(store, "deep", "report.json")
    rows = table.read_text().splitlines()
    table.write_text("\n".join([rows[0], rows[1].replace(rows[1].split(",")[1], "999"), *rows[2:]]))
    content = json.loads(report.read_text())
    content["classes"][3]["f1"] += 0.001
    report.write_text(json.dumps(content))
    assert figures(store) == [
        "confusion.csv is not what its predictions give",
        "report.json is not what its predictions give",
    ]


def test_scores_with_test_time_augmentation_that_were_not_logged_are_told(store: Store) -> None:
    artifact(store, "deep", "predictions/test_tta.parquet").unlink()
    findings = check_figures(evidence_of(store))
    assert faults(findings) == []
    assert [where for where, _ in remarks(findings)] == ["deep s0"]


def test_the_final_figure_is_not_taken_for_the_last_epochs(store: Store) -> None:
    run = run_of(store, "deep")
    (*_, (last, _)) = store.history(run.run_id, ["val/accuracy"])["val/accuracy"]
    best = int(run.metrics["best_epoch"])
    assert (last, figures(store)) == (3, [])
    changed = "UPDATE metrics SET value = 0.5 WHERE run_uuid = ? AND key = 'val/accuracy' AND step = ?"
    forge(store, changed, run.run_id, best)
    assert figures(store) == []
    (what,) = [what for _, what in faults(check_fits(evidence_of(store)))]
    assert what.startswith(f"val/accuracy of epoch {best} is 0.5 in the store")


def test_altered_seconds_of_fitting_fail_against_the_fits_own_record(store: Store) -> None:
    changed = "UPDATE latest_metrics SET value = value / 2 WHERE run_uuid = ? AND key = 'time/train_seconds'"
    forge(store, changed, run_of(store, "floor").run_id)
    ((where, what),) = faults(check_fits(evidence_of(store)))
    assert where == "floor s0" and what.startswith("time/train_seconds is")


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_changed_label_fails_against_the_other_cells(store: Store, split: str) -> None:
    path = artifact(store, "deep", f"predictions/{split}.parquet")
    table = pd.read_parquet(path)
    labels = table["label"].to_numpy().copy()
    labels[0] = (labels[0] + 1) % 10
    table["label"] = labels
    table.to_parquet(path)
    assert ("deep s0", f"its {split} predictions are of other images or labels than those of floor s0") in faults(
        check_labels(evidence_of(store))
    )


def test_cells_on_other_splits_or_other_data_fail(store: Store) -> None:
    deep = run_of(store, "deep")
    set_tag(store, deep.run_id, "harness.split_digest", "another")
    ((where, what),) = faults(check_splits(evidence_of(store)))
    assert where == "deep s0" and what.startswith("its validation split is another, that of floor s0 is")
    set_tag(store, deep.run_id, "harness.data_fingerprint", "other data")
    texts = [what for _, what in faults(check_splits(evidence_of(store)))]
    assert any(what.startswith("its training data is other data") for what in texts)
    assert any(what.startswith("was fitted on data other data, planned was") for what in texts)


def test_cells_with_other_splits_by_their_settings_pass(store: Store) -> None:
    deep = run_of(store, "deep")
    set_tag(store, deep.run_id, "harness.split_digest", "another")
    changed = "UPDATE params SET value = '1' WHERE run_uuid = ? AND key = 'dataset.validation.seed'"
    forge(store, changed, deep.run_id)
    assert faults(check_splits(evidence_of(store))) == []


def test_a_run_of_a_version_that_had_fewer_metrics_passes(store: Store) -> None:
    run = run_of(store, "deep")
    for name in [each for each in run.metrics if each.rpartition("/")[2] in LATER]:
        forge(store, "DELETE FROM latest_metrics WHERE run_uuid = ? AND key = ?", run.run_id, name)
    assert figures(store) == []


def test_one_of_its_metrics_that_is_gone_fails(store: Store) -> None:
    run_id = run_of(store, "deep").run_id
    forge(store, "DELETE FROM latest_metrics WHERE run_uuid = ? AND key = 'test/auc'", run_id)
    (what,) = figures(store)
    assert what.startswith("test/auc is not in the store, ")
