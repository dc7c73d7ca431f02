"""The journal against the store: what was forged is caught (`test_forgeries`), what honest people do is told."""

from pathlib import Path

from harness.audit.journal import check_journal
from harness.audit.openings import check_openings, check_order
from harness.track import Store
from harness.track.store import store_at
from tests.audit.studies import STUDY, evidence_of, faults, forge, ledger_run, matrix_run, remarks, run_of, set_tag


def delete(store: Store, run_id: str) -> None:
    forge(store, "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", run_id)


def test_every_step_of_a_run_is_in_the_journal_in_its_order(store: Store) -> None:
    deep = run_of(store, "deep")
    kinds = [entry.kind for entry in store.entries()]
    assert kinds == ["plan", "opening", "ending", "ending", "opening", "ending", "check"]
    opening, ending = (entry for entry in store.entries() if entry.key == deep.key)
    assert opening.said["line"]["model_digest"] == deep.tags["harness.model_digest"]
    assert (ending.said["status"], ending.said["manifest"]) == ("FINISHED", deep.tags["harness.artifacts_digest"])


def test_two_homes_that_write_to_one_store_at_once_are_told_as_a_fork(store: Store, tmp_path: Path) -> None:
    other = store_at(tmp_path / "other", store.uri, store.artifacts)
    other.home.mkdir()
    for number, each in enumerate((store, other, store, other)):
        each.note("trial", "another study", f"run {number}")
    texts = remarks(check_journal(evidence_of(store)))
    assert faults(check_journal(evidence_of(store))) == []
    assert [what for _, what in texts if "two homes wrote to this store at once" in what]
    assert len(store.entries()) == 11


def test_after_a_fork_clocks_have_the_order_again(store: Store, tmp_path: Path) -> None:
    other = store_at(tmp_path / "other", store.uri, store.artifacts)
    other.home.mkdir()
    for number, each in enumerate((store, other, store)):
        each.note("trial", "another study", f"run {number}")
    set_tag(store, run_of(store, "deep").run_id, "harness.fit_ended", "2100-01-01T00:00:00+00:00")
    ((_, what),) = faults(check_order(evidence_of(store)))
    assert what.endswith("before the fit ended at 2100-01-01 00:00:00")


def test_a_deleted_run_whose_cell_is_shown_as_missing_fails_in_neutral_words(store: Store) -> None:
    run = run_of(store, "deep")
    delete(store, run.run_id)
    ((where, what),) = faults(check_journal(evidence_of(store)))
    assert where == "deep s0" and what.startswith("its run finished at ") and what.endswith(", and is gone")


def test_a_deleted_run_whose_cell_has_another_is_told(store: Store) -> None:
    run = run_of(store, "deep")
    store.note("ending", STUDY, "0" * 32, key=run.key, status="FAILED", error="no memory")
    findings = check_journal(evidence_of(store))
    assert faults(findings) == []
    ((where, what),) = remarks(findings)
    assert where == "deep s0" and what.startswith("its run failed at") and what.endswith("(no memory), and is gone")


def test_a_deleted_matrix_run_is_told(store: Store) -> None:
    first = matrix_run(store)
    store.start_run(STUDY, "matrix", "matrix matrix", tags=dict(first.tags))
    plan = store.artifact(first.run_id, "plan.json")
    assert plan is not None
    second = store.records(STUDY)[-1].run_id
    store.log_text(second, plan.read_text(), "plan.json")
    delete(store, first.run_id)
    findings = check_journal(evidence_of(store))
    assert [what for _, what in remarks(findings) if "matrix run" in what] == ["its matrix run is gone"]
    assert faults(findings) == []  # it runs still


def test_a_plan_that_is_not_in_the_journal_fails(store: Store) -> None:
    first = matrix_run(store)
    second = store.start_run(STUDY, "matrix", "another plan", tags={"harness.partial": "false"})
    plan = store.artifact(first.run_id, "plan.json")
    assert plan is not None
    store.log_text(second, plan.read_text(), "plan.json")
    store.end(second, "FINISHED")
    assert ("another plan", "its plan is not in the journal") in faults(check_journal(evidence_of(store)))


def test_a_cell_that_was_stopped_before_its_opening_is_told(store: Store) -> None:
    key = "a key"
    run_id = store.start_run(STUDY, "cell", "stopped s0", tags={"harness.key": key})
    store.note("opening", STUDY, run_id, key=key, line={"key": key, "model_digest": "m", "run_id": run_id})
    store.end(run_id, "KILLED")
    findings = check_openings(evidence_of(store))
    assert faults(findings) == []
    ((where, what),) = remarks(findings)
    assert where == "stopped s0" and what.endswith("just before its opening; no test image was read")


def test_a_store_without_a_journal_passes_with_a_remark(store: Store) -> None:
    forge(store, "DELETE FROM runs WHERE run_uuid IN (SELECT run_uuid FROM tags WHERE value = 'journal')")
    (store.home / "journal.json").unlink()
    findings = check_journal(evidence_of(store))
    assert ("journal", "not recorded: there is none, by the version that ran this store") in remarks(findings)


def test_a_run_that_began_in_a_journal_and_has_no_entry_fails(store: Store) -> None:
    """Its manifest is of a version that keeps a journal."""
    forge(store, "DELETE FROM runs WHERE run_uuid IN (SELECT run_uuid FROM tags WHERE value = 'journal')")
    texts = [what for _, what in faults(check_journal(evidence_of(store)))]
    assert sum(what.startswith("the journal has no entry of its end") for what in texts) == 3
    assert any("the last that this home wrote, is gone" in what for what in texts)
    assert ledger_run(store, run_of(store, "deep").key)
