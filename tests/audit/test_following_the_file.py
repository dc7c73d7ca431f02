"""What a report and an audit are of: what the file asks for now, by what was run."""

import csv
from pathlib import Path

import pytest

from harness.api.read import plan_of_file
from harness.audit import gather_evidence, verdicts
from harness.audit.journal import check_journal
from harness.contracts import StudyPlan
from harness.errors import InputError
from harness.report import write_report
from harness.track import Store
from tests.audit.studies import MATRIX, STUDY, remarks


def followed(store: Store, text: str) -> StudyPlan:
    matrix = store.home / "matrix.yaml"
    matrix.write_text(text)
    plan = plan_of_file(store, matrix)
    assert isinstance(plan, StudyPlan)
    return plan


def names(plan: StudyPlan) -> list[str]:
    return [each.name for each in plan.cells]


def test_a_file_that_was_not_edited_gives_the_very_plan_that_was_run(store: Store) -> None:
    assert followed(store, MATRIX) == store.plan(STUDY)
    assert followed(store, f"{MATRIX}\n# a word\n") == store.plan(STUDY)


def test_an_experiment_that_was_taken_out_is_not_reported_and_the_store_is_said_to_hold_it(store: Store) -> None:
    plan = followed(store, MATRIX.replace("  floor: {model: majority}\n", ""))
    assert names(plan) == ["pixels s0", "deep s0"]
    written = write_report(store, plan, store.home / "reports" / STUDY)
    with written.cells.open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["pixels s0", "deep s0"]
    page = written.markdown.read_text()
    assert "The store holds runs of this study that its file does not name: floor s0." in page
    assert "2 times in this store, 1 of them by cells that are not shown here: floor s0 (10.28 %)" in page
    evidence = gather_evidence(store, plan, written.folder)
    assert ("floor s0", "is in the store, not in the file") in remarks(check_journal(evidence))
    assert all(verdict.is_passed for verdict in verdicts(evidence))


def test_claims_and_a_baseline_that_were_added_cost_no_run(store: Store) -> None:
    claims = "claims: [{experiment: deep, metric: test/accuracy, value: 0.9, source: a paper}]\n"
    plan = followed(store, f"{MATRIX}{claims}report: {{baseline: floor}}\n")
    written = write_report(store, plan, store.home / "reports" / STUDY)
    assert "a paper" in written.markdown.read_text()
    assert plan.report.baseline == "floor"


def test_a_cell_that_was_added_is_missing(store: Store) -> None:
    plan = followed(store, f"{MATRIX}  hog: {{model: hog_svm}}\n")
    assert names(plan) == ["floor s0", "pixels s0", "deep s0", "hog s0"]
    report = write_report(store, plan, store.home / "reports" / STUDY).markdown.read_text()
    assert "Of 4 cells: 1 missing." in report


def test_a_renamed_experiment_has_its_runs_by_its_new_name(store: Store) -> None:
    plan = followed(store, MATRIX.replace("  deep:", "  two-layers:"))
    assert names(plan) == ["floor s0", "pixels s0", "two-layers s0"]
    before = store.plan(STUDY)
    assert before is not None and plan.cells[2].key == before.cells[2].key


def test_a_file_with_problems_is_refused_with_their_places(store: Store) -> None:
    matrix = store.home / "matrix.yaml"
    matrix.write_text(MATRIX.replace("epochs: 3", "epochs: 0"))
    with pytest.raises(InputError, match=r"matrix.yaml:9:"):
        plan_of_file(store, matrix)


def test_a_study_that_was_never_run_is_known_by_its_name_alone(store: Store, tmp_path: Path) -> None:
    matrix = tmp_path / "other.yaml"
    matrix.write_text(MATRIX.replace("study: digits", "study: other"))
    assert plan_of_file(store, matrix) == "other"
