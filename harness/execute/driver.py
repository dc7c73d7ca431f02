"""Cells to outcomes: skips what is done, runs the rest, and leaves every run in a true state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from harness.contracts import CellState, Outcome, SilentWatcher, StudyPlan, Watcher
from harness.errors import StoreError
from harness.execute.executor import Executor
from harness.execute.interrupts import Interrupts
from harness.execute.leakage_check import check_leakage
from harness.execute.matrix_run import end_matrix, start_matrix
from harness.execute.packing import open_packing
from harness.execute.planning import states
from harness.execute.settings import RunSettings
from harness.execute.work import Work
from harness.track import Store


def run_plan(
    plan: StudyPlan, store: Store, executor: Executor, settings: RunSettings, watcher: Watcher
) -> tuple[Outcome, ...]:
    """Run what the plan lacks and return the outcome of each planned cell, in plan order.

    A failing cell is a failed run; the others go on. Ctrl-C and SIGTERM end what runs: those cells, and those
    that had not begun, have the outcome `interrupted`, and running the plan again goes on from their checkpoints.

    Raises:
        StoreError: the store cannot be reached any more.
        InputError: there is no such device.
    """
    standing = states(plan, store)
    todo = [state.planned for state in standing if _is_to_run(state, settings)]
    outcomes = _skipped(standing, store, settings)
    for outcome in outcomes.values():
        watcher.ended(outcome)
    logged = store.plan(plan.study)
    if not todo and logged is not None and (plan.partial or plan.is_same(logged)):
        return _in_order(plan, outcomes)
    packing = open_packing(settings)
    with Interrupts() as interrupts:
        around = start_matrix(plan, store, settings, packing, watcher=watcher, interrupts=interrupts)
        work = Work(around, settings, outcomes)
        try:
            with executor:
                work.run(executor, todo)
            check_leakage(around, plan, settings)
        except KeyboardInterrupt:
            pass  # the outcomes say it
        finally:
            with suppress(StoreError):
                work.settle()
                end_matrix(around, _in_order(plan, outcomes))
    return _in_order(plan, outcomes)


def note_plan(plan: StudyPlan, store: Store, settings: RunSettings) -> None:
    """Log the plan, so that there is something to report of, unless the store has this very plan."""
    if plan.is_same(store.plan(plan.study)):
        return
    with Interrupts() as interrupts:
        around = start_matrix(
            plan, store, settings, open_packing(settings), watcher=SilentWatcher(), interrupts=interrupts
        )
        end_matrix(around, ())


def _in_order(plan: StudyPlan, outcomes: Mapping[str, Outcome]) -> tuple[Outcome, ...]:
    return tuple(outcomes.get(each.key, Outcome(each, "interrupted", message="not started")) for each in plan.cells)


def _is_to_run(state: CellState, settings: RunSettings) -> bool:
    return state.state in {"missing", "failed"} or (state.state == "stale" and settings.rerun_stale)


def _skipped(standing: Sequence[CellState], store: Store, settings: RunSettings) -> dict[str, Outcome]:
    """Return the outcomes of the cells that are not to be run, by key."""
    left = [state for state in standing if not _is_to_run(state, settings)]
    found = store.cell_records(state.planned.key for state in left)
    metrics = {record.run_id: record.metrics for records in found.values() for record in records}
    return {state.planned.key: _skip(state, metrics) for state in left}


def _skip(state: CellState, metrics: Mapping[str, Mapping[str, float]]) -> Outcome:
    message = f"runs elsewhere, {state.reason}" if state.state == "running" else state.reason
    return Outcome(state.planned, "skipped", state.run_id, 0.0, message, metrics.get(state.run_id or "", {}))
