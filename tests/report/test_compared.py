"""What was compared, and a matrix by its axes."""

from __future__ import annotations

from typing import Any

from harness.contracts import Layer, PlannedCell
from harness.contracts.running import LAYERS, LAYERS_FILE
from harness.report.blocks import Charts, Fold, Group, Section, Table, Text
from harness.report.context import context_of
from harness.report.sections import by_setting, compared
from harness.report.sections.by_setting import axes_of
from harness.report.variants import experiment_variants
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

EPOCHS, SMOOTHING = "recipe.epochs", "recipe.label_smoothing"


def table_of(section: Section | None) -> list[dict[str, str]]:
    assert section is not None
    table = next(block for block in section.blocks if isinstance(block, Table))
    titles = [column.title for column in table.columns]
    return [dict(zip(titles, (value.text for value in row), strict=True)) for row in table.rows]


def grid(**axes: tuple[Any, ...]) -> list[PlannedCell]:
    """Return a cell for each pair of epochs and label smoothing."""
    return [
        cell_of(
            "mlp",
            label=f"epochs={epochs} label_smoothing={smoothing}",
            variant=((EPOCHS, epochs), (SMOOTHING, smoothing)),
        )
        for epochs in axes["epochs"]
        for smoothing in axes["smoothing"]
    ]


def test_the_table_holds_what_differs_and_the_fold_what_all_share(store: KeptStore) -> None:
    cells = [cell_of("mlp", recipe=False), cell_of("cnn")]
    store.keep(plan_of(*cells))
    found = compared.section(context_of(store, STUDY))
    rows = table_of(found)
    assert [row["experiment"] for row in rows] == ["mlp", "cnn"]
    assert [row["model"] for row in rows] == ["mlp", "cnn"]
    assert "epochs" not in rows[0]
    assert found is not None
    (shared,) = (block for block in found.blocks if isinstance(block, Fold))
    assert shared.title.startswith("Settings that all of them share")


def test_options_of_one_component_are_told_by_name_and_value(store: KeptStore) -> None:
    store.keep(plan_of(*grid(epochs=(10, 20), smoothing=(0.0, 0.1))))
    rows = table_of(compared.section(context_of(store, STUDY)))
    assert [row["epochs"] for row in rows] == ["10", "10", "20", "20"]
    assert [row["other settings"] for row in rows] == [f"label_smoothing {value}" for value in (0.0, 0.1, 0.0, 0.1)]
    assert "model" not in rows[0]


def test_layers_are_shown_once_for_all_variants_that_have_them(store: KeptStore) -> None:
    cells = grid(epochs=(10,), smoothing=(0.0, 0.1))
    store.keep(plan_of(*cells))
    layers = (Layer("0", "Conv2d", (8, 4, 4), 216, 3456), Layer("1", "Linear", (10,), 90, 160))
    for planned in cells:
        run = store.finish(planned, 0.5)
        (store.folder / run.run_id / LAYERS_FILE).write_bytes(LAYERS.dump_json(layers))
    found = compared.section(context_of(store, STUDY))
    assert found is not None
    (fold,) = (block for block in found.blocks if isinstance(block, Fold) and block.title.startswith("Layers"))
    assert "label_smoothing=0.0" in fold.title and "label_smoothing=0.1" in fold.title
    (table,) = fold.blocks
    assert isinstance(table, Table)
    assert [value.text for value in table.rows[0]] == ["0", "Conv2d", "8 x 4 x 4", "216", "3.46k"]


def test_runs_without_layers_say_how_to_see_them(store: KeptStore) -> None:
    planned = cell_of("mlp")
    store.keep(plan_of(planned)).finish(planned, 0.5)
    found = compared.section(context_of(store, STUDY))
    assert found is not None
    assert any(isinstance(block, Text) and "harness show" in block.words for block in found.blocks)


def test_main_effects_are_means_over_the_variants_with_a_value(store: KeptStore) -> None:
    cells = grid(epochs=(10, 20), smoothing=(0.0, 0.1))
    store.keep(plan_of(*cells))
    for planned, accuracy in zip(cells, (0.5, 0.7, 0.6, 0.9), strict=True):
        store.finish(planned, accuracy - 0.1, accuracy)
    found = by_setting.section(context_of(store, STUDY))
    assert found is not None
    (group,) = (block for block in found.blocks if isinstance(block, Group))
    table, charts = group.blocks
    assert isinstance(table, Table) and isinstance(charts, Charts)
    means = {(row[0].text, row[1].text): row[3].text for row in table.rows}
    assert means == {
        ("epochs", "10"): "60.00",
        ("epochs", "20"): "75.00",
        ("label_smoothing", "0.0"): "55.00",
        ("label_smoothing", "0.1"): "80.00",
    }
    assert len(charts.charts) == 3
    assert len({chart.name for chart in charts.charts}) == 3


def test_paths_that_always_move_together_are_one_axis(store: KeptStore) -> None:
    pairs = ((0.1, 40), (0.2, 60))
    cells = [
        cell_of("mlp", label=f"smoothing={value}", variant=((SMOOTHING, value), (EPOCHS, epochs)))
        for value, epochs in pairs
    ]
    context = context_of(store.keep(plan_of(*cells)), STUDY)
    (axis,) = axes_of(experiment_variants(context.findings))
    assert (axis.name, axis.levels) == ("label_smoothing, epochs", ("0.1, 40", "0.2, 60"))
    assert by_setting.section(context) is None
