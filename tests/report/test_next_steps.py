from __future__ import annotations

from harness.report.context import context_of
from harness.report.sections.diagnosis import all_diagnosed
from harness.report.sections.headline import next_steps
from tests.report.predicted import predict
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of


def steps_of(store: KeptStore) -> str:
    context = context_of(store, STUDY)
    return next_steps(context.variants, context.once(all_diagnosed), context.verdicts)


TRUTH = (0, 0, 1, 1, 2, 2)
SAID = (1, 0, 1, 0, 2, 2)


def test_what_to_try_next_is_chosen_by_validation_alone(store: KeptStore) -> None:
    good, lucky = cell_of("good"), cell_of("lucky")
    store.keep(plan_of(good, lucky))
    store.finish(good, 0.5, 0.9)
    store.finish(lucky, 0.8, 0.6)
    steps = steps_of(store)
    assert steps.startswith("good (too short to say): recipe.epochs:")
    assert steps.endswith("seeds: [0, 1, 2], because one seed cannot show what another would give.")


def test_a_study_without_figures_has_nothing_to_try(store: KeptStore) -> None:
    cells = [cell_of("a", seed) for seed in range(2)]
    store.keep(plan_of(*cells))
    assert steps_of(store) == ""


def test_images_that_two_cannot_be_told_apart_on_are_said_to_be_too_few(store: KeptStore) -> None:
    cells = [cell_of(name, seed) for name in ("a", "b") for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for planned in cells:
        predict(store, planned, TRUTH, SAID)
    assert "more seeds or test images, to tell a from b" in steps_of(store)
