"""What is taken for what, who agrees with whom, F1 by class and model, and reliability."""

import numpy as np
import pytest

from harness.charts.matrices import agreement, class_f1, confusion, reliability
from tests.charts.checks import rows, sound, texts

CLASSES = ["cat <b>", "dog", "bird"]
COUNTS = np.array([[90, 10, 0], [0, 999, 1], [0, 0, 0]])


def test_counts_and_percent_of_the_true_class_can_be_read() -> None:
    chart = sound(lambda: confusion("cnn", "test", COUNTS, CLASSES, seeds=2))
    assert [(row["t"], row["p"], row["n"]) for row in rows(chart)] == [(0, 0, 90), (0, 1, 10), (1, 1, 999), (1, 2, 1)]
    shown = texts(chart)
    assert all(text in shown for text in ("cat <b>", "dog", "bird", "90", "10", ">99", "999", "<1"))
    assert "2 seeds together" in shown
    assert "99.00 % right. Most often: cat <b> taken for dog 10 (10.00 %)" in chart.words


def test_every_class_is_named_up_to_26_and_figures_stand_only_where_there_is_room() -> None:
    counts = np.full((20, 20), 3) + np.eye(20, dtype=int) * 1234
    chart = sound(lambda: confusion("cnn", "test", counts, [f"a long name {number}" for number in range(20)]))
    shown = texts(chart)
    assert all(f"a long name {number}" in shown for number in range(20))
    assert "1,237" not in shown


def test_a_hundred_classes_are_color_with_figures_at_the_pointer() -> None:
    counts = np.eye(100, dtype=int) * 50 + np.eye(100, k=1, dtype=int)
    chart = sound(lambda: confusion("cnn", "test", counts, [f"class {number}" for number in range(100)]))
    assert len(rows(chart)) == 199 and len(chart.live()) < 12_000
    assert all(layer["mark"]["type"] != "text" for layer in chart.spec["layer"])
    assert [each["title"] for each in chart.spec["layer"][0]["encoding"]["tooltip"]] == [
        "is", "taken for", "images", "of its class (%)"
    ]  # fmt: skip


def test_agreement_is_above_kappa_and_seeds_are_between() -> None:
    equal = np.array([[0.99, 0.8, 0.7], [0.8, np.nan, 0.9], [0.7, 0.9, 0.95]])
    chart = sound(lambda: agreement(["cnn", "svm", "mlp"], equal, equal - 0.2, "Agreement on test images"))
    found = {(row["row"], row["column"]): row for row in rows(chart)}
    assert found[0, 1]["text"] == "80.0" and found[1, 0]["text"] == "0.60" and found[0, 0]["text"] == "99.0"
    assert found[1, 1]["text"] == "" and found[0, 0]["who"] == "seeds of cnn"
    assert "cnn and svm 80.0" in chart.words and "1. cnn" in texts(chart)


def test_the_hardest_class_of_all_models_is_at_the_top() -> None:
    f1 = np.array([[0.9, 0.2, 0.5], [0.8, 0.3, 0.1]])
    chart = sound(lambda: class_f1(CLASSES, ["cnn", "svm"], f1, "F1 on test images"))
    assert chart.spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == [1, 2, 0]
    assert "cnn: dog 20.00 %, svm: bird 10.00 %" in chart.words
    assert all(text in texts(chart) for text in ("90", "20", "10", "cnn", "cat <b>"))


def test_empty_bins_are_no_dots_and_the_lean_is_told() -> None:
    confidence, accuracy, count = np.array([0.5, 0.0, 0.9]), np.array([0.4, 0.0, 0.8]), np.array([10, 0, 30])
    chart = sound(lambda: reliability("cnn", confidence, accuracy, count, 0.1))
    dots = [row for row in rows(chart) if "images" in row]
    assert [(row["images"], row["confidence"]) for row in dots] == [(10, 50), (30, pytest.approx(90))]
    assert "ECE 10.00 %, on average 10.00 points surer than right" in chart.words
    assert 'd="M0,190L190,0"' in chart.svg(), "the diagonal, on which confidence is right"
