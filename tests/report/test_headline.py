from __future__ import annotations

from harness.contracts import Dataset, Limit
from harness.report.sections.headline import UNTESTED, gaps, headline, warning
from harness.report.store import gather
from harness.report.variants import experiment_variants
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of


def said(store: KeptStore, baseline: str | None = None) -> tuple[str, ...]:
    return headline(experiment_variants(gather(store, STUDY)), baseline)


def study(store: KeptStore, **accuracies: tuple[float, ...]) -> KeptStore:
    """Finish experiments with the given test accuracies, one a seed; validation agrees."""
    cells = {name: [cell_of(name, seed) for seed in range(len(given))] for name, given in accuracies.items()}
    store.keep(plan_of(*(planned for each in cells.values() for planned in each)))
    for name, given in accuracies.items():
        for planned, accuracy in zip(cells[name], given, strict=True):
            store.finish(planned, accuracy, accuracy)
    return store


def test_the_winner_is_named_with_spread_and_seeds(store: KeptStore) -> None:
    first, *rest = said(study(store, mlp=(0.5, 0.52), vgg=(0.9, 0.92)))
    assert first.startswith(
        "vgg has the highest mean test accuracy, 91.00 ± 1.41 % (mean ± standard deviation over 2 seeds), "
        "40.00 points ahead of mlp (51.00 %)"
    )
    assert rest[-1] == f"{UNTESTED}: the store holds no test predictions."


def test_equal_means_are_level(store: KeptStore) -> None:
    assert "level with vgg" in said(study(store, mlp=(0.5,), vgg=(0.5,)))[0]


def test_it_is_told_when_validation_would_have_chosen_another(store: KeptStore) -> None:
    one, other = cell_of("one"), cell_of("other")
    store.keep(plan_of(one, other)).finish(one, 0.6, 0.5)
    store.finish(other, 0.55, 0.7)
    assert "puts other first instead (test 55.00 %)" in said(store)[1]


def test_the_gain_over_the_baseline_is_told(store: KeptStore) -> None:
    sentences = said(study(store, hog=(0.58,), vgg=(0.91,)), "hog")
    assert "The baseline hog reaches 58.00 %: vgg gains 33.00 points." in sentences


def test_without_openings_nothing_is_said_of_test_accuracy(store: KeptStore) -> None:
    planned = cell_of("mlp", test="never")
    store.keep(plan_of(planned)).finish(planned, None, 0.6)
    first, second, _ = said(store)
    assert first == "No test set was opened, so this says nothing about test accuracy."
    assert "60.00 % with one seed" in second


def test_without_finished_cells_there_is_nothing_to_compare(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("mlp")))
    assert said(store) == ("No cell has finished yet, so there is nothing to compare.",)


def test_a_whole_study_has_no_warning_and_no_gaps(store: KeptStore) -> None:
    findings = gather(study(store, mlp=(0.5,)), STUDY)
    assert (warning(findings), gaps(findings)) == ("", "")


def test_limited_data_is_for_testing_only(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("mlp", dataset=Dataset(name="digits", limit=Limit(train=2000, test=500)))))
    expected = "For testing only: data limited to 2,000 training and 500 test images."
    assert warning(gather(store, STUDY)) == expected


def test_a_part_of_the_file_is_for_testing_only(store: KeptStore) -> None:
    store.keep(plan_of(cell_of("mlp"), partial=True))
    assert warning(gather(store, STUDY)) == "For testing only: --only left a part of the matrix file out."


def test_a_smoke_run_is_for_testing_only(store: KeptStore) -> None:
    planned = cell_of("mlp")
    store.keep(plan_of(planned)).finish(planned, None, 0.1, tags={"harness.smoke": "true"})
    assert "smoke run" in warning(gather(store, STUDY))


def test_gaps_are_counted_by_what_became_of_the_cells(store: KeptStore) -> None:
    cells = [cell_of("mlp", seed) for seed in range(3)]
    store.keep(plan_of(*cells)).finish(cells[0], 0.5)
    store.fail(cells[1], "broken")
    assert gaps(gather(store, STUDY)) == "Of 3 cells: 1 failed, 1 missing."
