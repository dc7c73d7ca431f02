"""Accuracy against what it costs."""

import numpy as np

from harness.charts.cost import Offer, Timed, accuracy_by_seconds, pareto_front, price_scatter
from tests.charts.checks import rows, sound, texts

OFFERS = [
    Offer("cnn", 100.0, 0.92),
    Offer("vgg", 200.0, 0.91),
    Offer("mlp", 20.0, 0.90),
    Offer("svm lr=[1]", 10.0, 0.905),
    Offer("constant", 0.001, 0.1),
]


def test_what_none_beats_is_on_the_front_and_told() -> None:
    chart = sound(lambda: price_scatter(OFFERS, "time", "test accuracy", "accuracy against time"))
    kinds = {row["name"]: row["kind"] for row in rows(chart) if "kind" in row}
    assert {name for name, kind in kinds.items() if kind == "on the Pareto front"} == {"cnn", "svm lr=[1]", "constant"}
    assert "On the front: constant (10.00 %, 1 ms or less), svm lr=[1] (90.50 %, 10 s), cnn" in chart.words


def test_an_offer_below_the_axis_is_an_arrow_with_its_figure() -> None:
    chart = sound(lambda: price_scatter(OFFERS, "time", "test accuracy", "accuracy against time"))
    arrows = next(layer for layer in chart.spec["layer"] if layer["mark"].get("shape") == "triangle-down")
    assert [row["name"] for row in chart.spec["datasets"][arrows["data"]["name"]]] == ["constant"]
    assert "constant: 10.00 %" in texts(chart) and "Below the axis: constant 10.00 %" in chart.words


def test_where_points_coincide_only_names_with_room_of_their_own_stand() -> None:
    offers = [Offer(f"a rather long name {number}", 10, 0.5) for number in range(20)]
    chart = sound(lambda: price_scatter(offers, "parameters", "test accuracy", "accuracy against parameters"))
    places = [(row["dx"], row["dy"], row["align"]) for row in rows(chart) if "dx" in row]
    assert 2 <= len(places) <= 8
    assert "a rather long name 19" in texts(chart)


def test_the_front_holds_what_nothing_beats_the_cheapest_first() -> None:
    assert pareto_front([5, 1, 3, 3, 4], [0.9, 0.2, 0.8, 0.7, 0.8]) == (1, 2, 0)


def test_equal_offers_are_on_the_front_together_and_dearer_equals_are_not() -> None:
    assert pareto_front([1, 1, 2], [0.5, 0.5, 0.5]) == (0, 1)


def test_the_front_is_that_of_the_definition() -> None:
    random = np.random.default_rng(1)
    costs, values = random.integers(0, 20, 60).tolist(), random.integers(0, 20, 60).tolist()
    free = [
        i
        for i in range(60)
        if not any(
            costs[j] <= costs[i] and values[j] >= values[i] and (costs[j], values[j]) != (costs[i], values[i])
            for j in range(60)
        )
    ]
    assert sorted(pareto_front(costs, values)) == free


def test_curves_by_seconds_hold_seeds_means_and_ends() -> None:
    line = [(10.0, 0.5), (20.0, 0.6)]
    curves = [Timed("cnn", line, [line, [(11.0, 0.4)]]), Timed("svm", [(5.0, 0.55)]), Timed("none", [])]
    chart = sound(lambda: accuracy_by_seconds(curves, "accuracy by seconds"))
    assert {(row["variant"], row["seed"]) for row in rows(chart) if "seed" in row} == {
        ("cnn", 0), ("cnn", 1), ("cnn", 2), ("svm", 0)
    }  # fmt: skip
    assert "cnn 60.00 % after 20 s, svm 55.00 % after 5.0 s" in chart.words


def test_a_fit_long_before_any_epoch_is_told_at_the_edge() -> None:
    curves = [Timed("cnn", [(100.0, 0.5), (200.0, 0.6)]), Timed("constant", [(0.0, 0.1)])]
    chart = sound(lambda: accuracy_by_seconds(curves, "accuracy by seconds"))
    assert "constant: 1 ms or less" in texts(chart)
    assert accuracy_by_seconds([], "nothing") is None
