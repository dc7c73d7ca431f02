from __future__ import annotations

import pytest

from harness.contracts import Cell, Choice, EarlyStopping, Recipe
from harness.measure.diagnosis import Diagnosis, Evidence, Verdict
from harness.report.blocks import Table
from harness.report.context import context_of
from harness.report.predictions import PredictionFiles
from harness.report.sections.curves import Curves, curves_of
from harness.report.sections.diagnosis import (
    Diagnosed,
    diagnosed,
    reach_tables,
    reached,
    section,
    thresholds,
    verdicts_table,
)
from harness.report.sections.remedies import Around, remedies
from harness.report.store import gather
from harness.report.variants import Variant, experiment_variants
from tests.report.predicted import predict
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

Points = tuple[tuple[int, float], ...]


def history(*validation: float, seconds: float = 2.0, gap: float = 0.0) -> dict[str, Points]:
    """Return a history as a store has it, training accuracy `gap` above validation's."""
    epochs = list(enumerate(validation, 1))
    return {
        "val/accuracy": tuple(epochs),
        "train/accuracy": tuple((epoch, value + gap) for epoch, value in epochs),
        "train/loss": tuple((epoch, 1 - value) for epoch, value in epochs),
        "val/loss": tuple((epoch, 1 - value) for epoch, value in epochs),
        "epoch_seconds": tuple((epoch, seconds) for epoch, _ in epochs),
    }


def variants_of(store: KeptStore) -> tuple[Variant, ...]:
    return experiment_variants(gather(store, STUDY))


def curves(store: KeptStore) -> tuple[Curves, ...]:
    return tuple(filter(None, (curves_of(variant, store) for variant in variants_of(store))))


def found(store: KeptStore) -> tuple[Diagnosed, ...]:
    return diagnosed(variants_of(store), curves(store), PredictionFiles(store))


def verdicts(store: KeptStore) -> dict[str, str]:
    return {row[0].text: row[1].text for row in verdicts_table(found(store)).rows}


def column(table: Table, title: str) -> list[str]:
    place = [each.title for each in table.columns].index(title)
    return [row[place].text for row in table.rows]


def test_each_variant_has_its_verdict(store: KeptStore) -> None:
    cells = {
        name: cell_of(name, recipe=name != "svm") for name in ("fine", "by-heart", "short", "low", "broken", "svm")
    }
    store.keep(plan_of(*cells.values()))
    flat = (0.5, 0.7, 0.8, *(0.9,) * 12)
    for name, kept in (
        ("fine", history(*flat, gap=0.02)),
        ("by-heart", history(*(value - 0.05 for value in flat), gap=0.14)),
        ("short", history(0.5)),
        ("low", history(*(value - 0.3 for value in flat), gap=0.01)),
    ):
        run = store.finish(cells[name], kept["val/accuracy"][-1][1], kept["val/accuracy"][-1][1])
        store.histories[run.run_id] = kept
    store.fail(cells["broken"], "TrainingError: loss is nan at epoch 1, step 7 of 100")
    store.finish(cells["svm"], 0.6, 0.6, epochs=False)
    assert verdicts(store) == {
        "fine": "healthy",
        "by-heart": "overfitting",
        "short": "too short to say",
        "low": "underfitting",
        "broken": "diverged",
        "svm": "no curve",
    }


def test_a_cell_that_failed_for_another_reason_has_no_diagnosis(store: KeptStore) -> None:
    planned = cell_of("a")
    store.keep(plan_of(planned)).fail(planned, "OutOfMemoryError: does not fit")
    assert found(store) == ()
    assert section(context_of(store, STUDY)) is None


def test_the_gap_says_how_much_so_few_validation_images_leave_open(store: KeptStore) -> None:
    planned = cell_of("a", test="never")
    store.keep(plan_of(planned))
    run = predict(store, planned, (0, 1, 2, 0), (0, 1, 2, 1), split="val")
    store.histories[run.run_id] = history(*(0.75,) * 10, gap=0.05)
    table = verdicts_table(found(store))
    assert column(table, "gap") == ["+5.00 ± 42.44"]


def cell(**recipe: object) -> Cell:
    optimizer = Choice.model_validate({"name": "sgd", "lr": 0.1, "weight_decay": 0.0})
    model = Choice.model_validate({"name": "small_cnn", "width": 32, "dropout": 0.0})
    made = Recipe.model_validate({"epochs": 30, "optimizer": optimizer, **recipe})
    return cell_of("a").cell.model_copy(update={"recipe": made, "model": model})


def to_try(verdict: Verdict, of: Cell, train: float = 0.9, around: Around | None = None) -> tuple[str, ...]:
    evidence = Evidence(30, train, 0.8, train - 0.8, 0.01, True, None, None, None, 0)
    return remedies(Diagnosis(verdict, evidence), of, around or Around())


@pytest.mark.parametrize(
    ("verdict", "paths"),
    [
        ("overfitting", ["recipe.augment", "model.dropout", "recipe.optimizer.weight_decay"]),
        ("underfitting", ["model.width", "recipe.epochs", "recipe.optimizer.lr"]),
        ("diverged", ["recipe.optimizer.lr", "recipe.schedule.warmup_epochs", "recipe.gradient_clip"]),
        ("still improving", ["recipe.epochs"]),
        ("too short to say", ["recipe.epochs"]),
        ("past its best", ["recipe.keep", "recipe.augment", "model.dropout"]),
        ("no validation", ["train_on"]),
        ("healthy", ["nothing is wrong; for more"]),
        ("no curve", []),
    ],
)
def test_every_verdict_names_settings_by_their_paths(verdict: Verdict, paths: list[str]) -> None:
    assert [way.partition(":")[0] for way in to_try(verdict, cell())] == paths


def test_a_remedy_that_is_taken_already_is_not_named_again() -> None:
    taken = cell(
        augment=[Choice(name="crop"), Choice(name="cutout")],
        label_smoothing=0.1,
        optimizer=Choice.model_validate({"name": "sgd", "lr": 0.1, "weight_decay": 5e-4}),
        early_stopping=EarlyStopping(),
    )
    assert to_try("overfitting", taken) == ("model.dropout: 0.2",)


def test_remedies_give_values_to_try() -> None:
    assert to_try("diverged", cell())[0] == "recipe.optimizer.lr: 0.03 instead of 0.1"
    assert to_try("still improving", cell()) == ("recipe.epochs: 60 instead of 30",)
    assert to_try("healthy", cell()) == ("nothing is wrong; for more: model.width: 64 instead of 32",)
    assert to_try("healthy", cell(), train=1.0)[0].startswith("nothing is wrong; for more: recipe.augment")


def test_an_augmentation_suits_the_size_of_the_images() -> None:
    shift = "recipe.augment: [{crop: {pad: %s}}], with flip where a mirrored image stays in its class"
    for side, pad in ((8, 1), (32, 4), (96, 12)):
        assert to_try("overfitting", cell(), around=Around(side))[0] == shift % pad
    shifted = cell(augment=[Choice(name="crop")])
    assert to_try("overfitting", shifted, around=Around(8))[0] == "recipe.augment: mixup as well"
    assert to_try("overfitting", shifted, around=Around(64))[0].startswith("recipe.augment: {cutout: {size: 16}} or")


def test_an_augmentation_that_another_experiment_has_on_the_same_images_is_the_one_to_try(store: KeptStore) -> None:
    plain = cell_of("plain")
    shifted = cell_of("shifted", variant=(("recipe.augment", [{"name": "crop", "pad": 1}]),))
    store.keep(plan_of(plain, shifted))
    flat = (0.5, 0.7, 0.8, *(0.9,) * 12)
    for planned in (plain, shifted):
        store.histories[store.finish(planned, 0.9, 0.9).run_id] = history(*flat, gap=0.12)
    first, second = found(store)
    assert first.to_try[0] == "recipe.augment: [{crop: {pad: 1}}], as shifted has it"
    assert not any("crop" in way for way in second.to_try)


def test_a_constant_learning_rate_past_its_best_is_to_fall() -> None:
    constant = cell(schedule=Choice(name="constant"), keep="best")
    assert to_try("past its best", constant)[0] == "recipe.schedule: cosine, so that the learning rate falls"


def test_a_classical_model_that_overfits_is_to_be_held_back() -> None:
    svm = cell_of("a").cell.model_copy(update={"recipe": None, "model": Choice.model_validate({"name": "svm", "C": 1})})
    assert to_try("overfitting", svm, train=0.95) == ("model.C: 0.01 instead of 1",)
    assert to_try("underfitting", svm) == ("model.C: 10 instead of 1",)
    assert to_try("no curve", svm, train=0.81) == ()


def test_a_test_accuracy_far_below_validations_is_remarked_on(store: KeptStore) -> None:
    planned = cell_of("a", recipe=False)
    store.keep(plan_of(planned))
    labels = [0] * 400
    run = predict(store, planned, labels, labels[:300] + [1] * 100, thumbnails=False)
    folder = store.folder / run.run_id / "predictions"
    (folder / "val.parquet").write_bytes((folder / "test.parquet").read_bytes())
    object.__setattr__(run, "metrics", {**run.metrics, "val/accuracy": 0.95})
    table = verdicts_table(found(store))
    assert "test 20.00 ± 4.75 points below validation" in column(table, "evidence")[0]
    assert "by 20.00 ± 4.75 points (mean of 1 variant, 95 % interval)" in table.notes[0]


def test_epochs_and_seconds_to_an_accuracy_count_from_the_first_epoch(store: KeptStore) -> None:
    cells = [cell_of("fast"), cell_of("slow"), cell_of("slow", 1)]
    store.keep(plan_of(*cells))
    kept = (history(0.5, 0.9, 0.95, seconds=3), history(0.5, 0.6, 0.7), history(0.5, 0.6, 0.69))
    for planned, each in zip(cells, kept, strict=True):
        store.histories[store.finish(planned, 0.5, 0.5).run_id] = each
    (table,) = reach_tables(curves(store))
    assert [each.title for each in table.columns][1:] == [
        "epochs to 69 %",
        "time to 69 %",
        "epochs to 95 %",
        "time to 95 %",
    ]
    assert [[value.text for value in row] for row in table.rows] == [
        ["fast", "2", "6.0 s", "3", "9.0 s"],
        ["slow", "3", "6.0 s", "-", "-"],
    ]


def test_seeds_that_never_reached_it_are_counted(store: KeptStore) -> None:
    cells = [cell_of("a", seed) for seed in (0, 1, 2)]
    store.keep(plan_of(*cells))
    for planned, top in zip(cells, (0.8, 0.8, 0.7), strict=True):
        store.histories[store.finish(planned, 0.5, 0.5).run_id] = history(0.1, top)
    (table,) = reach_tables(curves(store))
    assert table.rows[0][1].text == "2 (2 of 3 seeds)"


def test_seconds_on_different_devices_are_not_averaged(store: KeptStore) -> None:
    cells = [cell_of("a", seed) for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for planned, device in zip(cells, ("a CPU", "a GPU"), strict=True):
        store.histories[store.finish(planned, 0.5, 0.5, device=device).run_id] = history(0.1, 0.8)
    (table,) = reach_tables(curves(store))
    assert [value.text for value in table.rows[0]][1:] == ["2", "mixed"]
    assert "a on a CPU, a GPU" in table.notes[1]


def test_an_accuracy_that_was_left_again_was_reached() -> None:
    found = reached([{"val/accuracy": value, "epoch_seconds": 1.0} for value in (0.1, 0.9, 0.2)], 0.9)
    assert found is not None
    assert (found.epoch, found.seconds) == (2, 2.0)


def test_thresholds_are_round_and_reached_by_all_half_and_one() -> None:
    assert thresholds([0.714, 0.853, 0.937, 0.921]) == (0.71, 0.92, 0.93)
    assert thresholds([0.991, 0.9949, 0.9962]) == (0.99, 0.995)
