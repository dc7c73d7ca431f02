"""Cells on a real Ray: two nodes, each with its own processes, on this machine; one of them is killed in the middle."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import __version__
from harness.contracts import StudyPlan
from harness.errors import InputError, PreemptedError
from harness.execute.driver import run_plan
from harness.execute.executor import Answer, EpochDone
from harness.execute.locks import folder_of
from harness.execute.plan import RunSettings
from harness.track import Record, Store
from tests.execute.conftest import FAKE, Diary, plan_cell, plan_of
from tests.execute.fake_cells import calls
from tests.execute.test_local import job

pytest.importorskip("ray", reason="Ray is not installed: pip install 'sealed-harness[ray]'")
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::ResourceWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with a processor each; the head, where nothing runs, is a third."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        patched.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(2):
            made.add_node(num_cpus=1)
        yield made
        made.shutdown()


def run(plan: StudyPlan, store: Store, cluster: Any, diary: Diary, **fields: Any) -> dict[str, str]:
    from harness.execute.executors.ray import RayExecutor

    executor = RayExecutor(2, 1, FAKE, address=cluster.address, **fields)
    settings = RunSettings(home=store.home, device="cpu", workers=2, retry=1)
    return {each.planned.key: each.state for each in run_plan(plan, store, executor, settings, diary)}


def records(store: Store) -> dict[str, Record]:
    return {each.key: each for each in store.records("a study") if each.kind == "cell"}


def test_what_a_cell_leaves_on_a_node_comes_home_and_its_data_need_no_shared_disk(
    store: Store, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, diary = plan_of(plan_cell("k1"), plan_cell("k2", test="never"), plan_cell("k3", at_epoch_2="raise")), Diary()
    assert run(plan, store, cluster, diary, sees_cache=False) == {"k1": "finished", "k2": "finished", "k3": "failed"}
    found = records(store)
    assert all(
        store.artifact(found["k1"].run_id, path) for path in ("report.json", "environment.txt", "model/task.json")
    )
    assert found["k1"].tags["harness.ran_on"] == platform.node()
    assert (found["k1"].tags["harness.test"], found["k2"].tags["harness.test"]) == ("opened", "never")
    assert found["k3"].tags["harness.error"] == "RuntimeError: boom"
    assert "fake_cells.py" in (store.artifact(found["k3"].run_id, "traceback.txt") or Path()).read_text()
    assert [epoch for key, epoch in diary.epochs if key == "k1"] == [1, 2]
    assert calls(store.home / "cache") == [], "they were made in the node's own cache"
    assert not list((store.home / "cache").glob(".seen-*"))


def test_a_worker_that_is_to_leave_sends_its_checkpoint_home_whoever_hears_of_its_end_first(tmp_path: Path) -> None:
    from harness.execute.agent import Agent, Luggage

    agent, leaving = Agent(1, FAKE, __version__), ThreadPoolExecutor(1)
    agent.give(job(tmp_path, "k1", at_epoch_2="hang alone"), Luggage({}, {}, ()), [])
    heard = [agent.hear()]
    while not (tmp_path / "cache" / "pids").exists():
        if isinstance(heard[-1].message, EpochDone):
            agent.answer(Answer())
        heard.append(agent.hear())
    left = leaving.submit(agent.leave)
    while heard[-1].fault is None:
        heard.append(agent.hear())
    assert left.result() == {"checkpoint.pt": b"1"}
    assert isinstance(heard[-1].fault, PreemptedError)
    agent.stop()


def test_the_cell_of_a_node_that_is_killed_goes_on_from_its_checkpoint_on_the_other(store: Store, cluster: Any) -> None:
    plan = plan_of(plan_cell("k1", epochs=3, at_epoch_2="hang alone once"), plan_cell("k2"))
    diary, pids, saved = Diary(), store.home / "cache" / "pids", folder_of(store.home, "k1") / "checkpoint.pt"

    def kill() -> None:
        while not (saved.exists() and pids.exists()):
            time.sleep(0.05)
        above = {each.pid for each in psutil.Process(int(pids.read_text())).parents()}
        node = next(
            each for each in cluster.worker_nodes if above & {process.pid for _, process in each.live_processes()}
        )
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    assert run(plan, store, cluster, diary) == {"k1": "finished", "k2": "finished"}
    killer.join(60)
    assert diary.started_keys.count("k1") == 2
    assert [call for call in calls(store.home / "cache") if call.startswith("k1")] == ["k1:1", "k1:2", "k1:2", "k1:3"]
    assert not folder_of(store.home, "k1").exists()


def test_no_cluster_at_an_address_is_told_in_a_sentence(store: Store) -> None:
    from harness.execute.executors.ray import RayExecutor

    executor = RayExecutor(1, 1, FAKE, address="127.0.0.1:1")
    settings = RunSettings(home=store.home, device="cpu")
    with pytest.raises(InputError, match="no Ray cluster answers"):
        run_plan(plan_of(plan_cell("k1")), store, executor, settings, Diary())
