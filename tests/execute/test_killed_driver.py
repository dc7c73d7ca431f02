"""What is left when the driver itself is killed without a chance to say goodbye."""

import os
import signal
import subprocess
import sys
import time

from harness.execute.driver import run_plan
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings, states
from harness.track import Store
from tests.execute.conftest import FAKE, Diary, plan_cell, plan_of

DRIVER = """
import pathlib, sys
from tests.execute.test_killed_driver import PLAN, FAKE, Diary, RunSettings, open_executor, run_plan
from harness.track import open_store

store = open_store(pathlib.Path(sys.argv[1]))
run_plan(PLAN, store, open_executor("inline", 1, 1, FAKE), RunSettings(home=store.home, device="cpu"), Diary())
"""
PLAN = plan_of(plan_cell("k1", epochs=3, at_epoch_2="die once"))


def test_a_killed_driver_leaves_a_run_that_the_next_plan_marks_and_the_next_run_finishes(store: Store) -> None:
    path = os.pathsep.join(filter(None, sys.path))
    driver = subprocess.run(
        [sys.executable, "-c", DRIVER, str(store.home)], env={**os.environ, "PYTHONPATH": path}, check=False, timeout=60
    )
    assert driver.returncode == -signal.SIGKILL
    assert [record.status for record in store.records("a study")] == ["RUNNING", "RUNNING"]

    (state,) = states(PLAN, store)
    assert state.state == "missing"
    assert state.run_id is not None and store.record(state.run_id).status == "KILLED"

    executor = open_executor("inline", 1, 1, FAKE)
    (outcome,) = run_plan(PLAN, store, executor, RunSettings(home=store.home, device="cpu"), Diary())
    assert (outcome.state, outcome.run_id) == ("finished", state.run_id)
    assert [step for step, _ in store.history(state.run_id)["train/loss"]] == [1, 2, 3]
    assert [record.status for record in store.records("a study") if record.kind == "matrix"] == ["KILLED", "FINISHED"]


def test_a_plan_of_finished_cells_is_answered_in_a_blink(store: Store) -> None:
    plan = plan_of(*(plan_cell(f"k{i}", epochs=1) for i in range(20)))
    run_plan(plan, store, open_executor("inline", 1, 1, FAKE), RunSettings(home=store.home, device="cpu"), Diary())
    begun = time.perf_counter()
    run_plan(plan, store, open_executor("inline", 1, 1, FAKE), RunSettings(home=store.home, device="cpu"), Diary())
    assert time.perf_counter() - begun < 2
