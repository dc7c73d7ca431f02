"""Duplicates across splits, as the check after the run logged them."""

from pathlib import Path

from harness.audit.leakage import check_leakage
from harness.data.leakage import Leakage, Twins
from harness.track import Store
from tests.audit.studies import artifact, evidence_of, faults, forge, matrix_run, remarks

TEST_IMAGES = 360


def path_of(store: Store) -> Path:
    found = store.artifact(matrix_run(store).run_id, "leakage/0.json")
    assert found is not None
    return found


def keep(store: Store, exact: int = 0, near: int = 0, **changes: object) -> None:
    """Put another check in the place of the logged one; MLflow itself would write where the home was before."""
    twins = Twins(images=exact, pairs=exact, disagreeing=exact // 2)
    found = {"checked": True, "exact_across": twins, "near_across": Twins(images=near), "test_images": TEST_IMAGES}
    path_of(store).write_text(Leakage.model_validate(found | changes).model_dump_json())


def test_exact_duplicates_beyond_the_tolerance_fail_with_their_share(store: Store) -> None:
    keep(store, exact=4)
    said = "test images that are in the training split as they are: 4 of 360 (1.11%), 2 of them with another label"
    assert faults(check_leakage(evidence_of(store))) == [("digits", f"{said}; tolerated are 0.10%")]


def test_exact_duplicates_within_the_tolerance_are_told_and_pass(store: Store) -> None:
    keep(store, exact=4)
    findings = check_leakage(evidence_of(store), tolerance=0.02)
    assert faults(findings) == []
    assert ["4 of 360" in what for _, what in remarks(findings)] == [True]


def test_near_duplicates_are_counted_and_do_not_fail(store: Store) -> None:
    keep(store, near=50)
    findings = check_leakage(evidence_of(store))
    assert faults(findings) == []
    assert remarks(findings) == [("digits", "near duplicates of training images among the test images: 50")]


def test_a_check_that_does_not_say_how_many_it_compared_is_held_against_the_predictions(store: Store) -> None:
    keep(store, exact=1, test_images=None)
    assert [f"1 of {TEST_IMAGES}" in what for _, what in faults(check_leakage(evidence_of(store)))] == [True]
    artifact(store, "floor", "predictions/test.parquet").unlink()
    artifact(store, "deep", "predictions/test.parquet").unlink()
    assert len(faults(check_leakage(evidence_of(store)))) == 1


def test_an_opened_test_set_that_was_never_compared_fails(store: Store) -> None:
    path_of(store).unlink()
    ((where, what),) = faults(check_leakage(evidence_of(store)))
    assert where == "digits" and what.startswith("not checked")
    store.tag(matrix_run(store).run_id, {"harness.leakage": "test.parquet: no such file"})
    findings = check_leakage(evidence_of(store))
    assert faults(findings) == []
    assert ["test.parquet: no such file" in what for _, what in remarks(findings)] == [True]


def test_a_test_set_that_nobody_opened_need_not_be_compared(store: Store) -> None:
    keep(store, exact=100)
    of_ledger = "run_uuid IN (SELECT run_uuid FROM tags WHERE value = 'opening')"
    forge(store, f"UPDATE runs SET lifecycle_stage = 'deleted' WHERE {of_ledger}")
    assert check_leakage(evidence_of(store)) == ()
