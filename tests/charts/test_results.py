"""Seeds, ablations, and the views by matrix axes."""

import pytest

from harness.charts.results import Level, Seeds, Spot, Switch, ablation, main_effect, pivot, seed_dots
from tests.charts.checks import rows, sound, texts

VARIANTS = [
    Seeds("cnn <b>", {0: 0.91, 1: 0.92}, 0.90, 0.93),
    Seeds("vgg lr=0.1", {0: 0.90, 1: 0.91}, 0.89, 0.92),
    Seeds("mlp", {0: 0.89}),
    Seeds("constant", {0: 0.10}, 0.09, 0.11),
]


def test_every_seed_stands_in_the_chart_or_is_told_at_its_edge() -> None:
    chart = sound(lambda: seed_dots(VARIANTS, "test accuracy"))
    seeds = [(row["name"], row["seed"], row["value"]) for row in rows(chart) if "seed" in row]
    assert seeds == [
        ("cnn <b>", 0, 91), ("cnn <b>", 1, 92), ("vgg lr=0.1", 0, 90), ("vgg lr=0.1", 1, 91), ("mlp", 0, 89)
    ]  # fmt: skip
    assert "below the axis: 10.00 %" in texts(chart)
    assert "constant 10.00 %" in chart.words


def test_a_seed_that_fell_out_is_told_beside_the_others_of_its_variant() -> None:
    found = [Seeds(f"a{number}", {0: 0.9, 1: 0.91}) for number in range(4)]
    chart = sound(lambda: seed_dots([*found, Seeds("broken", {0: 0.9, 1: 0.1})], "test accuracy"))
    assert "below the axis: 10.00 %" in texts(chart)
    assert [row["seed"] for row in rows(chart) if row.get("name") == "broken" and "seed" in row] == [0]


def test_the_axis_holds_the_intervals_of_what_it_shows() -> None:
    chart = sound(lambda: seed_dots(VARIANTS, "test accuracy"))
    scales = [
        layer["encoding"]["x"]["scale"] for layer in chart.spec["layer"] if "scale" in layer["encoding"].get("x", {})
    ]
    assert all(low <= 89 and high >= 93 for low, high in (scale["domain"] for scale in scales))


def test_no_finite_value_is_no_chart() -> None:
    assert seed_dots([Seeds("cnn", {0: float("nan")})], "test accuracy") is None


def test_an_ablation_shows_each_change_with_its_interval() -> None:
    switches = [Switch("- flip", 0.9, 0.85, -0.06, -0.04), Switch("- decay", 0.9, 0.91)]
    chart = sound(lambda: ablation("regularizers", "test accuracy", "all", 0.9, switches, stepwise=False))
    found = {row["label"]: row for row in rows(chart) if "label" in row}
    assert (found["- flip"]["start"], found["- flip"]["end"]) == (90, 85)
    assert (found["- flip"]["low"], found["- flip"]["high"]) == (84, 86)
    assert found["- flip"]["kind"] == "loss" and found["- decay"]["kind"] == "gain"
    assert "low" not in found["- decay"]
    assert all(text in texts(chart) for text in ("all", "90.00 %", "- flip", "-5.00", "+1.00"))
    assert "each change from all" in chart.title


def test_an_interval_of_an_accuracy_ends_at_its_bounds() -> None:
    chart = sound(
        lambda: ablation("a", "test accuracy", "all", 0.98, [Switch("b", 0.98, 0.99, -0.01, 0.05)], stepwise=True)
    )
    assert [row["high"] for row in rows(chart) if "high" in row] == [100]


def test_a_main_effect_has_each_variant_and_the_means() -> None:
    levels = [Level("0.1", {"a": 0.5, "b": 0.7}), Level("0.01", {"c": 0.8})]
    chart = sound(lambda: main_effect("recipe.optimizer.lr", levels, "test accuracy"))
    assert [row["accuracy"] for row in rows(chart) if "variants" in row] == [pytest.approx(60), 80]
    assert {row["variant"] for row in rows(chart) if "variant" in row} == {"a", "b", "c"}


def test_a_pivot_puts_numbers_in_order_and_leaves_gaps() -> None:
    spots = [Spot("16", "0.1", 0.6), Spot("8", "0.01", 0.7, 3), Spot("8", "0.1", 0.5)]
    chart = sound(lambda: pivot("width", "lr", spots, "test accuracy"))
    axes = chart.spec["layer"][0]["encoding"]
    assert axes["y"]["sort"] == ["8", "16"] and axes["x"]["sort"] == ["0.01", "0.1"]
    assert len(rows(chart)) == 3
    assert [row["figure"] for row in rows(chart) if row["is_best"]] == ["70.0"]
    assert "Best: 70.00 % at width 8, lr 0.01" in chart.words
