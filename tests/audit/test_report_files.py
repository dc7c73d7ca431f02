"""The report's files against what the store gives."""

import shutil
from pathlib import Path

from harness.audit.report_files import check_report
from harness.track import Store
from tests.audit.studies import STUDY, evidence_of, faults, flip_byte, forge, remarks, run_of


def report(store: Store) -> Path:
    return store.home / "reports" / STUDY


def test_one_altered_byte_in_any_file_of_the_report_fails(store: Store) -> None:
    figures = sorted((report(store) / "figures").iterdir())
    chart, picture = (
        next(path for path in figures if (path.suffix == ".svg") == is_chart) for is_chart in (True, False)
    )
    names = sorted(["cells.csv", f"figures/{chart.name}", f"figures/{picture.name}", "index.html", "results.csv"])
    for name in names:
        flip_byte(report(store) / name)
    findings = check_report(evidence_of(store))
    assert [where for where, _ in faults(findings)] == names
    assert ["`harness report` writes it again" in what for _, what in remarks(findings)] == [True]


def test_the_place_where_a_text_begins_to_differ_is_shown(store: Store) -> None:
    path = report(store) / "results.csv"
    path.write_text(path.read_text().replace("floor", "flour", 1))
    ((where, what),) = faults(check_report(evidence_of(store)))
    assert where == "results.csv" and what.startswith("line 2 has ")
    assert "flour" in what.split("the store gives")[0] and "floor" in what.split("the store gives")[1]


def test_a_metric_altered_after_the_report_was_written_fails(store: Store) -> None:
    changed = "UPDATE latest_metrics SET value = 0.99 WHERE run_uuid = ? AND key = 'test/accuracy'"
    forge(store, changed, run_of(store, "deep").run_id)
    found = {where for where, _ in faults(check_report(evidence_of(store)))}
    assert {"results.csv", "index.html", "results.md"} <= found


def test_a_missing_file_fails_and_a_missing_report_is_told(store: Store) -> None:
    folder = report(store)
    (folder / "results.csv").unlink()
    assert faults(check_report(evidence_of(store))) == [("results.csv", "is missing")]
    shutil.rmtree(folder)
    findings = check_report(evidence_of(store))
    assert faults(findings) == []
    assert ["there is no report here" in what for _, what in remarks(findings)] == [True]
