"""Duplicates across splits, as the check after the run logged them."""

from pathlib import Path

from harness.audit.leakage import check_leakage
from harness.data.leakage import Leakage, Twins
from harness.seeds import text_digest
from harness.track import Store
from tests.audit.studies import STUDY, artifact, evidence_of, faults, forge, matrix_run, remarks

TEST_IMAGES = 360


def path_of(store: Store) -> Path:
    found = store.artifact(matrix_run(store).run_id, "leakage/0.json")
    assert found is not None
    return found


def keep(store: Store, exact: int = 0, near: int = 0, **changes: object) -> None:
    """Log another check in the place of the one that is there; MLflow itself would write where the home was before."""
    twins = Twins(images=exact, pairs=exact, disagreeing=exact // 2)
    found = {"checked": True, "exact_across": twins, "near_across": Twins(images=near), "test_images": TEST_IMAGES}
    text = Leakage.model_validate(found | changes).model_dump_json()
    path_of(store).write_text(text)
    for entry in store.entries():
        if entry.kind == "check":
            forge(store, "DELETE FROM tags WHERE value = ?", entry.text)
    store.note("check", STUDY, matrix_run(store).run_id, files={"leakage/0.json": text_digest(text)})


def test_exact_duplicates_beyond_the_tolerance_fail_with_their_share(store: Store) -> None:
    keep(store, exact=4)
    said = "test images that are in the training split as they are: 4 of 360 (1.11%), 2 of them with another label"
    assert faults(check_leakage(evidence_of(store))) == [("digits", f"{said}; tolerated are 0.10%")]


def test_exact_duplicates_within_the_tolerance_are_told_and_pass(store: Store) -> None:
    keep(store, exact=4)
    findings = check_leakage(evidence_of(store), tolerance=0.02)
    assert faults(findings) == []
    assert ["4 of 360" in what for _, what in remarks(findings)] == [True]


def test_near_copies_within_their_tolerance_are_told_and_pass(store: Store) -> None:
    keep(store, near=18)
    findings = check_leakage(evidence_of(store))
    assert faults(findings) == []
    said = "test images that are nearly in the training split: 18 of 360 (5.00%); tolerated are 5.00%"
    assert remarks(findings) == [("digits", said)]


def test_near_copies_beyond_their_tolerance_fail(store: Store) -> None:
    keep(store, near=360)
    ((where, what),) = faults(check_leakage(evidence_of(store)))
    assert where == "digits" and "360 of 360 (100.00%); tolerated are 5.00%" in what
    assert faults(check_leakage(evidence_of(store), tolerance=1.0)) == []


def test_a_check_that_was_altered_or_put_in_later_fails(store: Store) -> None:
    path_of(store).write_text(path_of(store).read_text() + " ")
    path_of(store).with_name("1.json").write_text(path_of(store).read_text())
    assert faults(check_leakage(evidence_of(store))) == [
        ("matrix matrix", "leakage/0.json is not the one that was logged"),
        ("leakage/1.json", "this check is not in the journal, its run's plan is"),
    ]


def test_a_check_that_does_not_say_how_many_it_compared_is_held_against_the_predictions(store: Store) -> None:
    keep(store, exact=1, test_images=None)
    assert [f"1 of {TEST_IMAGES}" in what for _, what in faults(check_leakage(evidence_of(store)))] == [True]
    artifact(store, "floor", "predictions/test.parquet").unlink()
    artifact(store, "deep", "predictions/test.parquet").unlink()
    assert len(faults(check_leakage(evidence_of(store)))) == 1


def test_an_opened_test_set_that_was_never_compared_fails(store: Store) -> None:
    path_of(store).unlink()
    gone, (where, what) = faults(check_leakage(evidence_of(store)))
    assert gone == ("matrix matrix", "leakage/0.json is gone")
    assert where == "digits" and what.startswith("not checked")
    store.tag(matrix_run(store).run_id, {"harness.leakage": "test.parquet: no such file"})
    findings = check_leakage(evidence_of(store))
    assert faults(findings) == [gone]
    assert ["test.parquet: no such file" in what for _, what in remarks(findings)] == [True]


def test_a_test_set_that_nobody_opened_need_not_be_compared(store: Store) -> None:
    keep(store, exact=100)
    of_ledger = "run_uuid IN (SELECT run_uuid FROM tags WHERE value = 'opening')"
    forge(store, f"UPDATE runs SET lifecycle_stage = 'deleted' WHERE {of_ledger}")
    assert check_leakage(evidence_of(store)) == ()
