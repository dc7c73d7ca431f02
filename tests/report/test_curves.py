"""Learning curves: all variants on one axis first, then each by itself."""

from __future__ import annotations

from harness.report.blocks import Charts, Fold
from harness.report.context import context_of
from harness.report.sections.curves import OPEN_UP_TO, curves_of, section
from harness.report.store import gather
from harness.report.variants import experiment_variants
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of


def finished(store: KeptStore, *names: str) -> KeptStore:
    cells = [cell_of(name) for name in names]
    store.keep(plan_of(*cells))
    for planned in cells:
        store.finish(planned, 0.5, 0.75)
    return store


def names_of(block: object) -> list[str]:
    assert isinstance(block, Charts)
    return [chart.name for chart in block.charts]


def test_all_variants_stand_on_one_axis_before_each_stands_alone(store: KeptStore) -> None:
    found = section(context_of(finished(store, "a", "b"), STUDY))
    assert found is not None
    together, _, *alone = found.blocks
    assert names_of(together) == ["curves-validation-accuracy"]
    assert [names_of(each) for each in alone] == [
        ["curves-a-loss", "curves-a-accuracy"],
        ["curves-b-loss", "curves-b-accuracy"],
    ]


def test_a_single_variant_has_its_own_curves_alone(store: KeptStore) -> None:
    found = section(context_of(finished(store, "a"), STUDY))
    assert found is not None
    assert [names_of(block) for block in found.blocks if isinstance(block, Charts)] == [
        ["curves-a-loss", "curves-a-accuracy"]
    ]


def test_curves_of_many_variants_are_folded_below_the_one_of_all(store: KeptStore) -> None:
    found = section(context_of(finished(store, *(f"e{number}" for number in range(OPEN_UP_TO + 1))), STUDY))
    assert found is not None
    assert [type(block) for block in found.blocks][::2] == [Charts, Fold]
    assert isinstance(found.blocks[-1], Fold) and len(found.blocks[-1].blocks) == OPEN_UP_TO + 1


def test_without_epochs_there_are_no_curves(store: KeptStore) -> None:
    planned = cell_of("hog", recipe=False)
    store.keep(plan_of(planned)).finish(planned, 0.5, epochs=False)
    assert section(context_of(store, STUDY)) is None


def test_a_final_figure_of_a_model_without_epochs_is_no_curve(store: KeptStore) -> None:
    planned = cell_of("hog", recipe=False)
    run = store.keep(plan_of(planned)).finish(planned, 0.5)
    store.histories[run.run_id] = {"val/accuracy": ((0, 0.5),)}
    assert curves_of(experiment_variants(gather(store, STUDY))[0], store) is None
