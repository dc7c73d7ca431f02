"""Killed drivers, and several at once."""

from __future__ import annotations

import os
import platform
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import pytest

from harness.contracts import TrialFound
from harness.errors import StoreError
from harness.tune.storage import Heartbeat, now
from harness.tune.trials import open_study
from tests.tune.conftest import Diary, Lab

pytestmark = pytest.mark.slow
DRIVER = """
import pathlib, sys
from tests.tune.conftest import Lab
from harness.track import open_store
lab = Lab(pathlib.Path(sys.argv[2]), open_store(pathlib.Path(sys.argv[1])))
ended = lab.run(lab.context(sys.argv[3]))
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


@pytest.fixture
def server(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server's stand-in: a database by address."""
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    monkeypatch.setenv("HARNESS_OPTUNA_STORAGE", url)
    return url


def move_trials(url: str, minutes_ago: float) -> None:
    """Let the running trials be those of another machine that was heard of some minutes ago."""
    study = optuna.load_study(study_name="study/mlp", storage=url)
    running = study.get_trials(states=[optuna.trial.TrialState.RUNNING])
    assert running
    heard = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    for trial in running:
        owner = {**trial.user_attrs["owner"], "host": "elsewhere", "time": heard}
        optuna.storages.get_storage(url).set_trial_user_attr(trial._trial_id, "owner", owner)


def test_a_search_whose_driver_was_killed_goes_on_where_it_was(lab: Lab, tmp_path: Path) -> None:
    tune = "    trials: 12\n    pruner: median\n"
    lab.trouble("die", call=7)
    killed = drive(lab, tmp_path / "killed", tune)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    (run,) = [each for each in lab.store.records("study") if each.kind == "study"]
    assert run.status == "RUNNING"

    ended = lab.run(lab.context(tune))
    assert ended.state == "done"
    assert len(ended.tuning.trials) == 12
    finished = [key for key in set(lab.calls) if lab.calls.count(key) > 1]
    assert len(finished) == 1  # the one that ran when the driver died
    assert lab.store.record(run.run_id).status == "FINISHED"
    assert "RUNNING" not in {each.status for each in lab.store.records("study")}


def test_two_drivers_share_a_study_and_one_chooses(lab: Lab, tmp_path: Path) -> None:
    tune = "    trials: 30\n    sampler: random\n    confirm: {top: 2, seeds: [10]}\n"
    drivers = [drive(lab, tmp_path / name, tune) for name in ("one", "two")]
    words = [(driver.communicate(timeout=90)[0].split(), driver.returncode) for driver in drivers]
    assert [code for _, code in words] == [0, 0], words
    ended = lab.run(lab.context(tune))  # whichever left first, nothing is left to do
    assert ended.tuning.stage == "done"
    study = optuna.load_study(study_name="study/mlp", storage=f"sqlite:///{lab.store.home / 'optuna.db'}")
    assert {each.state.name for each in study.trials} == {"COMPLETE"}
    assert len(study.trials) == 30
    owners = {each.user_attrs["owner"].get("pid") for each in study.trials} - {None}
    assert len(owners) <= 2
    assert len(lab.store.openings()) == 2  # one a seed
    assert all(lab.calls.count(key) == 1 for key in lab.calls)
    assert [each.kind for each in lab.store.records("study")].count("study") == 1


def test_trials_of_another_machine_are_taken_over_when_it_has_been_silent(
    server: str, lab: Lab, tmp_path: Path
) -> None:
    lab.trouble("die", call=7)
    drive(lab, tmp_path / "killed", "    trials: 12\n").communicate(timeout=60)
    move_trials(server, minutes_ago=1)
    assert lab.run(lab.context("    trials: 12\n")).state == "elsewhere"
    assert lab.store.openings() == []

    move_trials(server, minutes_ago=5)
    ended = lab.run(lab.context("    trials: 12\n"))
    assert (ended.state, len(ended.tuning.trials)) == ("done", 12)
    assert len({key for key in lab.calls if lab.calls.count(key) > 1}) == 1  # the one that ran when it died
    assert "RUNNING" not in {each.status for each in lab.store.records("study")}


def test_a_home_that_another_host_has_left_is_taken_over_at_once(lab: Lab, tmp_path: Path) -> None:
    lab.trouble("die", call=7)
    drive(lab, tmp_path / "killed", "    trials: 12\n").communicate(timeout=60)
    move_trials(f"sqlite:///{lab.store.home / 'optuna.db'}", minutes_ago=0)
    assert lab.run(lab.context("    trials: 12\n")).state == "done"


def test_while_one_process_chooses_no_other_does(lab: Lab) -> None:
    context = lab.context("    trials: 3\n")
    other = Heartbeat(host=platform.node(), pid=os.getppid(), time=now(), process="another")
    open_study(context, lab.store.home).study.set_user_attr("harness.choosing", other.model_dump())
    ended = lab.run(context)
    assert (ended.state, ended.tuning.winner) == ("elsewhere", None)
    assert lab.store.openings() == []

    open_study(context, lab.store.home).study.set_user_attr("harness.choosing", None)
    assert lab.run(context).state == "done"
    assert len(lab.calls) == 3 + 2  # nothing was run again


def test_a_database_that_breaks_during_the_search_is_named(lab: Lab) -> None:
    class Breaks(Diary):
        def trial_told(self, name: str, found: TrialFound, best: TrialFound | None) -> None:
            with sqlite3.connect(lab.store.home / "optuna.db") as connection:
                connection.execute("drop table trial_user_attributes")

    with pytest.raises(StoreError, match=r"optuna\.db: the tuning study is out of reach: .*trial_user_attributes"):
        lab.run(lab.context("    trials: 9\n"), diary=Breaks())
