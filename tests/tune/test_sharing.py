"""Killed drivers, and several at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from harness.errors import StoreError
from harness.tune.storage import open_storage
from tests.tune.conftest import Lab

DRIVER = """
import pathlib, sys
from tests.tune.conftest import Lab
from harness.track import open_store

lab = Lab(pathlib.Path(sys.argv[2]), open_store(pathlib.Path(sys.argv[1])))
ended = lab.run(lab.ground(sys.argv[3]))
print(ended.state, ended.tuning.winner)
"""


def drive(lab: Lab, folder: Path, tune: str) -> subprocess.Popen[str]:
    folder.mkdir()
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), *sys.path]))
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(lab.store.home), str(folder), tune],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_search_whose_driver_was_killed_goes_on_where_it_was(lab: Lab, tmp_path: Path) -> None:
    tune = "    trials: 12\n    pruner: median\n"
    lab.trouble("die", call=7)
    killed = drive(lab, tmp_path / "killed", tune)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    (run,) = [each for each in lab.store.records("study") if each.kind == "study"]
    assert run.status == "RUNNING"

    ended = lab.run(lab.ground(tune))
    assert ended.state == "done"
    assert len(ended.tuning.trials) == 12
    finished = [key for key in set(lab.calls) if lab.calls.count(key) > 1]
    assert len(finished) == 1  # the one that ran when the driver died
    assert lab.store.record(run.run_id).status == "FINISHED"


def test_two_drivers_share_a_study_and_one_chooses(lab: Lab, tmp_path: Path) -> None:
    tune = "    trials: 30\n    sampler: random\n    confirm: {top: 2, seeds: [10]}\n"
    drivers = [drive(lab, tmp_path / name, tune) for name in ("one", "two")]
    words = [(driver.communicate(timeout=90)[0].split(), driver.returncode) for driver in drivers]
    assert [code for _, code in words] == [0, 0], words
    ended = lab.run(lab.ground(tune))  # whichever left first, nothing is left to do
    assert ended.tuning.stage == "done"
    study = optuna.load_study(study_name="study/mlp", storage=f"sqlite:///{lab.store.home / 'optuna.db'}")
    assert {each.state.name for each in study.trials} == {"COMPLETE"}
    assert 30 <= len(study.trials) <= 31  # both may draw the last one
    owners = {each.user_attrs["owner"].get("pid") for each in study.trials} - {None}
    assert len(owners) <= 2
    assert len(lab.store.openings()) == 1
    assert all(lab.calls.count(key) == 1 for key in lab.calls)


def test_a_storage_address_that_is_none_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OPTUNA_STORAGE", "not an address")
    with pytest.raises(StoreError, match="HARNESS_OPTUNA_STORAGE is not a database address"):
        open_storage(tmp_path, lambda study, trial: None)


def test_a_server_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_OPTUNA_STORAGE", "postgresql+nodriver://me:secret@127.0.0.1:1/none")
    with pytest.raises(StoreError) as error:
        open_storage(tmp_path, lambda study, trial: None)
    assert "secret" not in str(error.value) and "127.0.0.1" in str(error.value)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("optuna.db").write_text("this is no database, but text that is long enough to look like a file")
    with pytest.raises(StoreError, match=r"optuna\.db"):
        open_storage(tmp_path, lambda study, trial: None)


def test_other_machines_hear_that_trials_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's stand-in: a database by address, with heartbeats."""
    monkeypatch.setenv("HARNESS_OPTUNA_STORAGE", f"sqlite:///{tmp_path / 'shared.db'}")
    monkeypatch.setattr("harness.tune.storage.BEAT_SECONDS", 1)
    storage = open_storage(tmp_path, lambda study, trial: None)
    study = optuna.create_study(study_name="s", storage=storage.optuna)
    trial = study.ask()
    with storage.beating(lambda: [trial._trial_id]):
        time.sleep(1.5)
    with storage.database.engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from trial_heartbeats").scalar() == 1
