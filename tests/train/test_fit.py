from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.errors import InputError, OutOfMemoryError, TrainingError
from tests.train.conftest import (
    AUGMENT,
    Diary,
    Pruned,
    assert_same_bits,
    classifier,
    pictures,
    recipe,
    shuffled_labels,
    without_times,
)

TRAIN, VALIDATION = pictures(96), pictures(40, seed=1)
FULL = recipe(augment=AUGMENT, label_smoothing=0.1, ema={"decay": 0.9}, gradient_clip=1.0, keep="best")


def test_easy_images_are_learned() -> None:
    trained = classifier(recipe(epochs=8))
    report = trained.fit(TRAIN, VALIDATION, Diary())
    assert report.history[-1]["val/accuracy"] > 0.8
    right = trained.predict(VALIDATION.images).argmax(1) == VALIDATION.labels
    assert right.mean() == pytest.approx(report.history[-1]["val/accuracy"])


def test_shuffled_labels_stay_at_chance_on_new_images() -> None:
    trained = classifier(recipe(epochs=8))
    trained.fit(shuffled_labels(96), None, Diary())
    images = pictures(400, seed=5)
    right = trained.predict(images.images).argmax(1) == images.labels
    assert 0.1 < right.mean() < 0.4


def test_an_epoch_tells_exactly_the_metrics_of_the_tracking_schema() -> None:
    diary = Diary()
    report = classifier(recipe()).fit(TRAIN, VALIDATION, diary)
    names = {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "images_per_second", "epoch_seconds"}
    assert [(epoch, set(metrics)) for epoch, metrics in diary.epochs] == [(1, names), (2, names)]
    assert tuple(metrics for _, metrics in diary.epochs) == report.history
    assert all(type(value) is float for metrics in report.history for value in metrics.values())
    assert report.train_seconds == pytest.approx(sum(metrics["epoch_seconds"] for metrics in report.history))
    assert report.peak_bytes is not None
    assert report.peak_bytes > 10_000_000  # the process's peak resident set on the CPU


def test_without_validation_there_are_no_validation_metrics_and_no_best_epoch() -> None:
    report = classifier(recipe(keep="best", early_stopping={"patience": 1})).fit(TRAIN, None, Diary())
    assert len(report.history) == 2
    assert report.best_epoch is None
    assert not any(name.startswith("val/") for name in report.history[0])


def test_same_seed_gives_the_same_bits_and_another_seed_does_not() -> None:
    first, second, other = (classifier(FULL, seed=seed, dropout=0.3) for seed in (3, 3, 4))
    reports = [each.fit(TRAIN, VALIDATION, Diary()) for each in (first, second, other)]
    assert_same_bits(first, second)
    assert without_times(reports[0].history) == without_times(reports[1].history)
    assert without_times(reports[0].history) != without_times(reports[2].history)


def test_the_process_wide_generator_is_neither_used_nor_moved() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = classifier(FULL, dropout=0.3)
    first.fit(TRAIN, VALIDATION, Diary())
    first.predict(VALIDATION.images)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = classifier(FULL, dropout=0.3)
    second.fit(TRAIN, VALIDATION, Diary())
    assert_same_bits(first, second)


def test_validation_has_no_influence_on_the_weights() -> None:
    first, second = classifier(recipe(), dropout=0.3), classifier(recipe(), dropout=0.3)
    first.fit(TRAIN, VALIDATION, Diary())
    second.fit(TRAIN, None, Diary())
    assert_same_bits(first, second)


def test_an_augmentation_more_leaves_weights_and_order_alone() -> None:
    plain, augmented = classifier(recipe()), classifier(recipe(augment=AUGMENT))
    assert_same_bits(plain, augmented)


def test_keep_best_ends_with_the_weights_of_the_best_epoch() -> None:
    """On labels without meaning validation accuracy jumps about, so the best epoch is not the last."""
    noise, held_out = shuffled_labels(96), shuffled_labels(60, seed=7)
    settings = {"epochs": 9, "optimizer": {"name": "sgd", "lr": 0.3}}
    best = classifier(recipe(keep="best", **settings))
    report = best.fit(noise, held_out, Diary())
    accuracies = [metrics["val/accuracy"] for metrics in report.history]
    assert report.best_epoch == accuracies.index(max(accuracies)) + 1
    assert report.best_epoch < 9
    assert (best.predict(held_out.images).argmax(1) == held_out.labels).mean() == pytest.approx(max(accuracies))
    last = classifier(recipe(keep="last", **settings))
    assert last.fit(noise, held_out, Diary()).best_epoch == report.best_epoch
    assert (last.predict(held_out.images).argmax(1) == held_out.labels).mean() == pytest.approx(accuracies[-1])


@pytest.mark.parametrize("metric", ["val/accuracy", "val/loss"])
def test_early_stopping_waits_for_patience_epochs_without_a_better_value(metric: str) -> None:
    settings = recipe(epochs=40, optimizer={"name": "sgd", "lr": 0.3}, early_stopping={"patience": 3, "metric": metric})
    report = classifier(settings).fit(shuffled_labels(96), shuffled_labels(60, seed=7), Diary())
    values = [metrics[metric] for metrics in report.history]
    best = values.index(max(values) if metric == "val/accuracy" else min(values))
    assert len(values) == best + 1 + 3 < 40


def test_averaged_weights_are_evaluated_and_kept() -> None:
    averaged, plain = classifier(recipe(ema={"decay": 0.9})), classifier(recipe())
    report = averaged.fit(TRAIN, VALIDATION, Diary())
    plain.fit(TRAIN, VALIDATION, Diary())
    right = averaged.predict(VALIDATION.images).argmax(1) == VALIDATION.labels
    assert right.mean() == pytest.approx(report.history[-1]["val/accuracy"])
    left, other = averaged.state(), plain.state()
    assert not np.array_equal(left["0.weight"], other["0.weight"])
    assert not np.array_equal(left["1.running_var"], other["1.running_var"])
    assert left["1.num_batches_tracked"] == other["1.num_batches_tracked"] == 12


def test_every_image_is_seen_once_an_epoch_and_a_single_one_left_over_joins_a_batch() -> None:
    trained = classifier(recipe(epochs=1, batch_size=16))
    trained.fit(pictures(97), None, Diary())
    assert trained.state()["1.num_batches_tracked"] == 6


def test_the_learning_rate_of_an_epoch_is_that_of_its_first_step() -> None:
    schedule = {"name": "cosine", "per": "step", "warmup_epochs": 0.5}  # 3 of 6 steps
    report = classifier(recipe(schedule=schedule)).fit(TRAIN, None, Diary())
    assert [metrics["lr"] for metrics in report.history] == pytest.approx([0.05 / 3, 0.05 / 2])


def test_max_batches_cuts_epochs_off() -> None:
    trained = classifier(recipe(epochs=3), max_batches=2)
    assert len(trained.fit(TRAIN, VALIDATION, Diary()).history) == 3
    assert trained.state()["1.num_batches_tracked"] == 6


def test_a_loss_that_is_not_finite_ends_the_fit_naming_epoch_and_step() -> None:
    settings = recipe(epochs=3, optimizer={"name": "sgd", "lr": 1e30, "weight_decay": 0.0})
    diary = Diary()
    with pytest.raises(TrainingError, match=r"loss is (nan|inf) at epoch 1, step [23] of 6; .*optimizer\.lr"):
        classifier(settings).fit(TRAIN, None, diary)
    assert diary.epochs == []


def test_weights_that_the_last_step_broke_are_not_kept() -> None:
    overflowing = {"name": "sgd", "lr": 3e38, "momentum": 0.0, "nesterov": False, "weight_decay": 1e3}
    settings = recipe(epochs=1, batch_size=96, optimizer=overflowing)
    with pytest.raises(TrainingError, match=r"weights .* are not finite after the last step of epoch 1"):
        classifier(settings).fit(TRAIN, None, Diary())


def test_a_listener_that_raises_ends_the_fit() -> None:
    diary = Diary(stop_at=2)
    before = torch.get_rng_state()
    with pytest.raises(Pruned):
        classifier(recipe(epochs=5)).fit(TRAIN, VALIDATION, diary)
    assert [epoch for epoch, _ in diary.epochs] == [1, 2]
    assert torch.equal(torch.get_rng_state(), before)


def test_too_little_memory_is_told_with_model_batch_size_and_device() -> None:
    greedy = classifier(recipe(), model="greedy_net")
    with pytest.raises(OutOfMemoryError, match=r"GreedyNet at batch size 16 .* cpu; try a smaller recipe.batch_size"):
        greedy.fit(TRAIN, None, Diary())
    with pytest.raises(OutOfMemoryError):
        greedy.predict(TRAIN.images)


def test_no_training_images_is_an_error() -> None:
    with pytest.raises(TrainingError, match="no training images"):
        classifier(recipe()).fit(pictures(0), None, Diary())


def test_an_unknown_component_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match='there is no optimizer "adamm"; did you mean "adam"'):
        classifier(recipe(optimizer={"name": "adamm"}))


def test_bf16_trains_where_the_cpu_has_it_and_is_refused_elsewhere() -> None:
    settings = recipe(precision="bf16")
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        assert classifier(settings).fit(TRAIN, None, Diary()).history[1]["train/accuracy"] > 0.5
    else:
        with pytest.raises(TrainingError, match="no bf16 instructions"):
            classifier(settings)


def test_batch_normalization_on_single_images_is_told_with_what_to_do() -> None:
    with pytest.raises(TrainingError, match=r"batch normalization cannot learn from one image.*recipe\.batch_size"):
        classifier(recipe(batch_size=1), model="normed_net").fit(pictures(8), None, Diary())


def test_a_network_of_another_number_of_classes_is_told() -> None:
    with pytest.raises(TrainingError, match=r"gives scores of shape \[8, 7\] instead of \[8, 4\]"):
        classifier(recipe(batch_size=8), model="normed_net", outputs=7).fit(pictures(8), None, Diary())
