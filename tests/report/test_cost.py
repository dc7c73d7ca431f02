from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from harness.measure.machine import Energy
from harness.report.cost import Cost, cost_of
from harness.report.cost_texts import energy_text, side_by_side
from harness.report.scatter import Offer, Scatter, cost_ticks
from harness.report.scatter_charts import labels, scatter_chart
from harness.report.store import gather
from harness.report.variants import Variant, experiment_variants
from tests.report.studies import STUDY, KeptStore, Run, cell_of, plan_of


def variants_of(store: KeptStore) -> tuple[Variant, ...]:
    return experiment_variants(gather(store, STUDY))


def cost(store: KeptStore) -> Cost:
    found = cost_of(variants_of(store), store)
    assert found is not None
    return found


def changed(store: KeptStore, run: Run, **changes: object) -> None:
    """Put a changed run in the place of a kept one."""
    for runs in store.cells.values():
        runs[:] = [replace(each, **changes) if each is run else each for each in runs]  # type: ignore[arg-type]


def study(store: KeptStore, **seconds: float) -> list[Run]:
    cells = {name: cell_of(name) for name in seconds}
    store.keep(plan_of(*cells.values()))
    accuracies = {"slow": 0.9, "quick": 0.8, "poor": 0.7}
    return [store.finish(cells[name], accuracies[name], seconds=each) for name, each in seconds.items()]


def test_the_front_is_marked_in_the_table_and_told_in_words(store: KeptStore) -> None:
    study(store, slow=100.0, quick=1.0, poor=10.0)
    found = cost(store)
    assert [chart.price for chart in found.charts] == ["time", "parameters"]
    assert found.charts[0].words == "On the front: quick (80.00 %, 1.0 s), slow (90.00 %, 1 min 40 s)."
    assert [row[4].text for row in found.table.rows] == ["time, parameters", "time", "-"]


def test_times_of_two_devices_stand_in_two_charts_and_that_is_said(store: KeptStore) -> None:
    cells = [cell_of("slow"), cell_of("quick")]
    store.keep(plan_of(*cells))
    for planned, device in zip(cells, ("a CPU", "a GPU"), strict=True):
        store.finish(planned, 0.5, device=device)
    found = cost(store)
    assert [chart.title for chart in found.charts[:2]] == [
        "test accuracy by time of fitting on a CPU",
        "test accuracy by time of fitting on a GPU",
    ]
    assert found.texts[0] == "Cells ran on a CPU, a GPU: times of different devices are never compared."


def test_a_fit_that_takes_no_time_has_a_place_on_the_scale(store: KeptStore) -> None:
    study(store, quick=0.0, slow=10.0)
    assert "quick (80.00 %, 1 ms or less)" in cost(store).charts[0].words


def test_estimated_time_stands_beside_the_actual_one(store: KeptStore) -> None:
    run, other = study(store, slow=100.0, quick=1.0)
    tags = {**run.tags, "harness.estimated_seconds": "80"}
    changed(store, run, tags=tags, metrics={**run.metrics, "time/total_seconds": 120.0})
    rows = [[value.text for value in row[5:]] for row in cost(store).table.rows]
    assert rows == [["1 min 20 s", "2 min 00 s", "1.50"], ["-", "-", "-"]]
    assert other.metrics["time/train_seconds"] == 1.0


def test_energy_is_shown_where_it_was_counted(store: KeptStore) -> None:
    run, _ = study(store, slow=100.0, quick=1.0)
    changed(store, run, metrics={**run.metrics, "energy/joules": 5120.0})
    found = cost(store)
    assert [row[-1].text for row in found.table.rows] == ["5.12e+03 J", "-"]
    assert "1 fit of 2: the whole package or GPU" in found.texts[-1]


def test_without_energy_the_report_says_why(store: KeptStore) -> None:
    run, _ = study(store, slow=100.0, quick=1.0)
    before = energy_text(variants_of(store), store)
    assert before == "No energy was measured: these runs were made before the harness counted any."
    for each in (run, _):
        Energy({}, {"cpu": "this machine shows no RAPL counters"}).write(store.folder / each.run_id)
    after = energy_text(variants_of(store), store)
    assert after == "No energy was measured: this machine shows no RAPL counters."


def test_cells_that_ran_at_the_same_time_on_one_machine_are_counted(store: KeptStore) -> None:
    runs = study(store, slow=1.0, quick=1.0, poor=1.0)
    for run, (start, end) in zip(runs, ((0.0, 10.0), (5.0, 8.0), (10.0, 12.0)), strict=True):
        changed(store, run, start=start, end=end, tags={**run.tags, "harness.host": "here"})
    entries = [entry for variant in variants_of(store) for entry in variant.finished]
    assert side_by_side(entries) == 2


def test_a_study_without_figures_has_no_cost(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("a")))
    assert cost_of(variants_of(store), store) is None


def scatter(*offers: Offer) -> Scatter:
    return Scatter("accuracy by time", "time", offers, 0.5, 1.0)


def test_names_that_have_no_room_are_left_out_and_every_point_is_drawn() -> None:
    crowd = scatter(*(Offer(f"model number {i}", 1 + 0.01 * i, 0.7 + 0.001 * i) for i in range(40)))
    placed = [label for label in labels(crowd) if label.anchor == "start"]
    assert 0 < len(labels(crowd)) < 40
    for one, other in pairwise(sorted(placed, key=lambda label: label.y)):
        assert other.y - one.y >= 12 or abs(other.x - one.x) > 80
    chart = scatter_chart(crowd)
    assert chart.count("<circle") == chart.count("<title>") == 40


def test_where_there_is_room_for_few_names_the_front_has_its_names() -> None:
    crowd = [Offer(f"beaten {i}", 5.0 + 0.02 * i, 0.75 - 0.002 * i) for i in range(30)]
    named = {label.text for label in labels(scatter(Offer("cheap", 1.0, 0.76), *crowd, Offer("best", 5.3, 0.77)))}
    assert {"cheap", "best"} <= named
    assert len(named) < 32


def test_a_single_offer_and_equal_prices_can_be_drawn() -> None:
    assert scatter_chart(scatter(Offer("a", 1.0, 0.9))).count("<circle") == 1
    same = scatter(Offer("a", 5.0, 0.9), Offer("b", 5.0, 0.8))
    assert len(cost_ticks(same)) == 1
    assert same.x(5.0) == pytest.approx((48 + 560 - 14) / 2)


def test_what_lies_below_the_scale_stands_at_its_edge_with_its_figure() -> None:
    chart = scatter(Offer("floor", 1.0, 0.1), Offer("good", 10.0, 0.9))
    assert chart.y(0.1) == chart.y(0.5)
    assert "floor: 10.00 %" in {label.text for label in labels(chart)}
