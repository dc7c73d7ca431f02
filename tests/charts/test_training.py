"""Loss and accuracy by epoch, and the learning-rate range test."""

import math

import numpy as np
import pytest

from harness.charts.training import Mark, compared_curves, learning_curves, range_test
from tests.charts.checks import rows, sound, texts


def history(epochs: int, top: float) -> list[dict[str, float]]:
    return [
        {
            "train/loss": 2 / (e + 1),
            "val/loss": 2.2 / (e + 1),
            "train/accuracy": top,
            "val/accuracy": top - 0.1 / (e + 1),
        }
        for e in range(epochs)
    ]


SEEDS = {0: history(5, 0.8), 7: history(5, 0.9)}


def test_seeds_and_their_mean_are_in_the_chart() -> None:
    chart = sound(lambda: learning_curves("cnn", "accuracy", SEEDS))
    last = {(row["split"], row["seed"]): row["value"] for row in rows(chart) if row["epoch"] == 5 and "split" in row}
    assert last["validation", ", seed 7"] == pytest.approx(88)
    assert last["validation", ""] == pytest.approx(83)
    assert last["training", ", seed 0"] == pytest.approx(80)


def test_each_seed_has_a_ring_at_its_best_epoch() -> None:
    chart = sound(lambda: learning_curves("cnn", "loss", SEEDS))
    rings = [row for row in rows(chart) if set(row) == {"epoch", "value"}]
    assert [ring["epoch"] for ring in rings] == [5, 5]
    assert "best on validation in epoch 5, 5" in chart.words


def test_one_seed_is_not_drawn_twice() -> None:
    chart = sound(lambda: learning_curves("cnn", "loss", {3: history(4, 0.5)}))
    assert {row["seed"] for row in rows(chart) if "seed" in row} == {""}


def test_a_single_epoch_is_a_dot() -> None:
    chart = sound(lambda: learning_curves("cnn", "loss", {0: history(1, 0.5)}))
    assert any(layer["mark"].get("point") for layer in chart.spec["layer"])


def test_what_was_not_recorded_has_no_chart() -> None:
    only_loss = [{"train/loss": 1.0}, {"train/loss": math.nan}]
    assert learning_curves("cnn", "accuracy", {0: only_loss}) is None
    chart = sound(lambda: learning_curves("cnn", "loss", {0: only_loss}))
    assert "validation" not in texts(chart)


def test_a_long_fit_is_thinned_but_ends_where_it_ended() -> None:
    chart = sound(lambda: learning_curves("cnn", "loss", {0: history(1000, 0.5)}))
    epochs = [row["epoch"] for row in rows(chart) if row.get("split") == "validation"]
    assert len(epochs) <= 160 and epochs[0] == 1 and epochs[-1] == 1000


def test_all_variants_stand_on_one_axis() -> None:
    curves = {f"lr=0.{number} [a]": [history(4 + number, 0.5 + number / 20)] for number in range(9)}
    chart = sound(lambda: compared_curves(curves))
    found = {row["variant"]: row for row in rows(chart)}
    assert set(found) == set(curves)
    assert found["lr=0.8 [a]"]["epoch"] == 12
    assert all(name in texts(chart) for name in curves)
    assert "lr=0.8 [a] ends at 89.2 %" in chart.words


def test_one_variant_alone_is_compared_with_nothing() -> None:
    assert compared_curves({"cnn": [history(4, 0.5)], "svm": []}) is None


def test_a_range_test_marks_its_rates_each_in_a_row_of_its_own() -> None:
    rates, losses = np.logspace(-4, 0, 50), np.linspace(2, 1, 50)
    marks = [Mark(0.0101, "suggested"), Mark(0.0102, "in the file")]
    chart = sound(lambda: range_test("cnn", rates, losses, losses, marks))
    assert "0.01: suggested" in texts(chart) and "0.01: in the file" in texts(chart)
    heights = {layer["encoding"]["y"]["value"] for layer in chart.spec["layer"] if layer["mark"]["type"] == "text"}
    assert len(heights) == 2


def test_batches_above_the_range_are_arrows_and_are_counted() -> None:
    rates, losses = np.logspace(-4, 0, 50), np.linspace(2, 1, 50)
    losses[-3:] = [9, 50, math.nan]
    chart = sound(lambda: range_test("cnn", rates, losses, np.minimum(losses, 2), []))
    assert "2 batches above, up to 50" in texts(chart)
    arrows = next(layer for layer in chart.spec["layer"] if layer["mark"].get("shape") == "triangle-up")
    assert arrows["encoding"]["y"] == {"value": 4}
    assert 50 in [row.get("loss") for row in rows(chart)]
