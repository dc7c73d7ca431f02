"""`harness audit` as a person meets it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.cli.options import app
from harness.track import Store, open_store
from tests.audit.studies import FINAL, STUDY, forge_opening, log_search, matrix_run

MATRIX = "version: 1\nstudy: digits\n"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with a search, in the home `home` of the working folder."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("matrix.yaml").write_text(MATRIX)
    store = open_store(tmp_path / "home")
    log_search(store)
    store.log_text(matrix_run(store).run_id, MATRIX, "matrix.yaml")
    return store


def audit(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", "matrix.yaml", "--home", "home", *arguments])


def test_every_check_is_told_in_80_columns_and_a_clean_store_passes(store: Store) -> None:
    done = audit("--report", "nowhere")
    told = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("ok ", "noted ", "FAILED "))]
    assert told == [
        *("journal", "openings", "order", "searches", "leakage", "splits"),
        *("labels", "artifacts", "figures", "fits", "report"),
    ]
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "no opening of the test set" in done.stdout
    assert "not checked: what an earlier version did not record" in done.stdout


def test_a_forged_opening_is_listed_and_ends_with_1(store: Store) -> None:
    run = next(record for record in store.records(STUDY) if record.name == FINAL.name)
    forge_opening(store, FINAL.key, run.run_id, time="2026-11-21T04:00:00+00:00")
    done = audit()
    assert done.exit_code == 1
    assert f"2026-11-21 04:00:00   mlp tuned s0   01234567   {run.run_id[:8]}   here" in done.stdout
    assert "FAILED  searches" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("study digits: FAILED:")


def test_json_has_every_opening_and_every_finding_in_whole(store: Store) -> None:
    run = next(record for record in store.records(STUDY) if record.name == FINAL.name)
    forge_opening(store, FINAL.key, run.run_id, time="2026-11-21T04:00:00+00:00")
    done = audit("--json")
    shown = json.loads(done.stdout)
    assert (done.exit_code, shown["passed"]) == (1, False)
    ((opening),) = shown["openings"]
    assert (opening["cell"], opening["run_id"], opening["model_digest"]) == (FINAL.name, run.run_id, "0123456789abcdef")
    searches = next(check for check in shown["checks"] if check["name"] == "searches")
    assert not searches["passed"]
    assert searches["findings"][0]["is_fault"] and "before the winner was fixed" in searches["findings"][0]["what"]


def test_what_was_never_run_cannot_be_audited(store: Store) -> None:
    Path("matrix.yaml").write_text("version: 1\nstudy: another\n")
    done = audit()
    assert (done.exit_code, done.stdout) == (2, "")
    assert 'study "another" was never run' in done.stderr
    nowhere = CliRunner().invoke(app, ["audit", "matrix.yaml", "--home", "empty"])
    assert nowhere.exit_code == 2 and "nothing was run in empty" in nowhere.stderr
