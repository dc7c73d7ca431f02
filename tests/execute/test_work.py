"""How a cell is tried again: fakes on GPUs that are only named, a real network that takes few images at a time."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.contracts import Cell, Choice, Dataset, Outcome, PlannedCell, Recipe, StudyPlan
from harness.errors import HarnessError
from harness.execute.driver import run_plan
from harness.execute.executor import RUN_CELL, Failure, FailureKind, open_executor
from harness.execute.executors.local import LocalExecutor
from harness.execute.plan import RunSettings, make_plan
from harness.execute.team import Worker
from harness.execute.work import Attempt
from harness.matrix import load_study
from harness.measure.environment import hardware
from harness.plugins import Catalog
from harness.track import Record, Store
from tests.execute.conftest import FAKE, Diary, plan_cell, plan_of
from tests.execute.fake_cells import calls
from tests.execute.fake_machine import give_it_two_gpus

FIRST = Attempt()


def cell(batch_size: int | None = 100) -> Cell:
    recipe = Recipe(batch_size=batch_size) if batch_size else None
    return Cell(dataset=Dataset(name="digits"), model=Choice(name="fake"), recipe=recipe, seed=0)


def failure(kind: FailureKind = "memory") -> Failure:
    return Failure(kind, "why", "where")


def test_each_time_memory_runs_out_a_batch_is_taken_in_twice_as_many_parts() -> None:
    attempt, parts = FIRST, []
    while (following := attempt.next(cell(), failure(), 9, had_neighbors=False)) is not None:
        attempt = following
        parts.append(attempt.parts)
    assert parts == [2, 4, 8, 16, 32, 64, 100, 100, 100]


def test_a_part_is_told_by_its_images() -> None:
    attempt = Attempt(parts=8)
    assert attempt.tags(cell()) == {"harness.micro_batch": "13"}
    assert attempt.text(cell()) == " in micro-batches of 13 images"
    assert FIRST.tags(cell()) == {} and FIRST.text(cell()) == ""


@pytest.mark.parametrize("kind", ["died", "stalled", "preempted"])
def test_a_model_without_a_recipe_and_a_worker_that_ended_are_tried_as_before(kind: FailureKind) -> None:
    assert FIRST.next(cell(None), failure(), 1, had_neighbors=False) == Attempt(failures=1)
    assert FIRST.next(cell(), failure(kind), 1, had_neighbors=False) == Attempt(failures=1)


@pytest.mark.parametrize("retry", [0, 3])
def test_memory_that_neighbors_took_is_no_failure_of_the_cell(retry: int) -> None:
    following = FIRST.next(cell(), failure(), retry, had_neighbors=True)
    assert following == Attempt(alone=True)
    assert following.text(cell()) == " with no other cell beside it"


def test_memory_that_runs_out_alone_counts() -> None:
    alone = Attempt(alone=True)
    assert alone.next(cell(), failure(), 0, had_neighbors=False) is None
    assert alone.next(cell(), failure(), 1, had_neighbors=False) == Attempt(parts=2, alone=True, failures=1)


@pytest.mark.parametrize("kind", ["training", "data", "seal", "pruned", "error"])
def test_what_would_fail_again_is_not_tried_again(kind: FailureKind) -> None:
    assert FIRST.next(cell(), failure(kind), 5, had_neighbors=False) is None


RECIPE = Recipe(epochs=3, batch_size=64)
BELOW_4 = "run out of memory below 4 parts"


def run(plan: StudyPlan, store: Store, executor: str = "inline", run_cell: str = FAKE, **given: Any) -> list[Outcome]:
    run_settings = RunSettings(home=store.home, **{"device": "cpu", **given})
    opened = open_executor(executor, run_settings.workers, 1, run_cell)
    return list(run_plan(plan, store, opened, run_settings, Diary()))


def records(store: Store, key: str) -> list[Record]:
    return [record for record in store.records("a study") if record.key == key]


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    give_it_two_gpus(monkeypatch)


def test_a_cell_that_runs_out_of_memory_is_retried_in_micro_batches_from_its_checkpoint(store: Store) -> None:
    plan = plan_of(plan_cell("k1", recipe=RECIPE, epochs=3, at_epoch_2=BELOW_4))
    (outcome,) = run(plan, store, retry=2)
    (record,) = records(store, "k1")
    assert (outcome.state, record.status) == ("finished", "FINISHED")
    assert record.tags["harness.micro_batch"] == "16"
    assert calls(store.home / "cache") == ["k1:1", "k1:2", "k1:2", "k1:2", "k1:3"]


def test_a_cell_that_never_ran_out_has_no_tag_of_micro_batches(store: Store) -> None:
    run(plan_of(plan_cell("k1", recipe=RECIPE)), store, retry=2)
    assert "harness.micro_batch" not in records(store, "k1")[0].tags


def test_a_cell_that_took_too_long_is_tried_again_from_its_checkpoint(store: Store) -> None:
    mark = store.home / "cache" / "struck-k1"

    class OnceImpatient(LocalExecutor):
        """Grants a cell no more time once it hangs, and all the time of the world when it is tried again."""

        def _end(self, worker: Worker, fault: HarnessError) -> Failure:
            self.cell_timeout = None
            return super()._end(worker, fault)

    class WaitsForTheMark(Diary):
        def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
            super().epoch(planned, epoch, metrics)
            while not mark.exists():
                time.sleep(0.01)
            executor.cell_timeout = 0.01 if len(self.started_keys) == 1 else None

    executor, diary = OnceImpatient(1, 1, FAKE), WaitsForTheMark()
    plan = plan_of(plan_cell("k1", epochs=3, at_epoch_2="hang once"))
    settings = RunSettings(home=store.home, device="cpu", retry=1)
    (outcome,) = run_plan(plan, store, executor, settings, diary)
    assert (outcome.state, diary.started_keys) == ("finished", ["k1", "k1"])
    assert calls(store.home / "cache") == ["k1:1", "k1:2", "k1:2", "k1:3"]


@pytest.mark.usefixtures("two_gpus")
def test_memory_that_ran_out_beside_another_cell_costs_no_retry_and_the_cell_runs_alone(store: Store) -> None:
    first = plan_cell("k1", recipe=RECIPE, epochs=3, at_epoch_2="run out of memory beside another")
    second = plan_cell("k2", recipe=RECIPE, epochs=3, at_epoch_2="wait for the other")
    outcomes = run(plan_of(first, second), store, "local", device="cuda:1", workers=2)
    (record,) = records(store, "k1")
    assert [outcome.state for outcome in outcomes] == ["finished", "finished"]
    assert "harness.micro_batch" not in record.tags
    called = calls(store.home / "cache")
    assert called.index("k2:3") < len(called) - 1 - called[::-1].index("k1:2")


@pytest.mark.usefixtures("two_gpus")
def test_each_run_says_which_gpu_it_ran_on_and_the_matrix_run_names_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(plan_cell("k1", at_epoch_2="wait for the other"), plan_cell("k2", at_epoch_2="die once"))
    run(plan, store, "local", device="cuda", workers=2, retry=1)
    tags = {record.key: record.tags for record in store.records("a study")}
    assert (tags["k1"]["harness.device"], tags["k1"]["harness.ran_on"]) == ("cuda:0", platform.node())
    assert tags["k2"]["harness.device"] in {"cuda:0", "cuda:1"}
    assert (tags[""]["harness.device"], tags[""]["harness.hardware"]) == ("cuda:0, cuda:1", "Fake 1, Fake 2")
    monkeypatch.undo()
    assert tags["k1"]["harness.hardware"] == hardware("cuda:0"), "its worker tells, which knows of no fake"


@pytest.mark.usefixtures("two_gpus")
def test_measured_packing_runs_all_cells_with_workers_that_come_as_there_is_room(store: Store) -> None:
    plan = plan_of(*(plan_cell(f"k{number}", recipe=RECIPE, epochs=6) for number in range(8)))
    outcomes = run(plan, store, "local", device="cuda", workers=4, packed=True)
    assert {outcome.state for outcome in outcomes} == {"finished"}
    assert {record.tags["harness.device"] for record in store.records("a study")} >= {"cuda:0", "cuda:1"}


MATRIX = """
version: 1
study: a study
dataset: {name: digits, validation: {size: 200, seed: 0}, limit: {train: 300}}
seeds: [0]
experiments:
  net: {model: {name: limited_net, most: MOST}, test: never, recipe: {epochs: 3, batch_size: 64}}
"""


def losses(store: Store, folder: Path, most: int) -> tuple[list[float], Record]:
    """Return the losses by epoch of a network that takes so many images at a time, and its run."""
    path = folder / "matrix.yaml"
    path.write_text(MATRIX.replace("MOST", str(most)))
    plugins = (Path(__file__).parent / "plugins",)
    plan = make_plan(load_study(path, Catalog(plugins)), Catalog(plugins), store.home / "cache")
    (outcome,) = run(plan, store, run_cell=RUN_CELL, retry=2, plugins=plugins)
    assert outcome.state == "finished", outcome.message
    record = store.record(outcome.run_id or "")
    return [value for _, value in store.history(record.run_id)["train/loss"]], record


def test_a_network_without_batch_normalization_learns_the_same_in_micro_batches(store: Store, tmp_path: Path) -> None:
    whole, roomy = losses(store, tmp_path, most=64)
    parts, tight = losses(store, tmp_path, most=16)
    assert "harness.micro_batch" not in roomy.tags
    assert tight.tags["harness.micro_batch"] == "16"
    assert parts == pytest.approx(whole, rel=1e-5)
    failed = [record.tags["harness.error"] for record in records(store, tight.key)[:-1]]
    assert [error.partition("; tried again")[2] for error in failed] == [
        " in micro-batches of 32 images",
        " in micro-batches of 16 images",
    ]
    assert all(error.startswith("LimitedNet at batch size 64 does not fit into the memory of cpu") for error in failed)
