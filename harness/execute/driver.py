"""A plan from start to end: what it lacks is run, in a matrix run of the store that starts and ends with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.contracts import CellState, Outcome, SilentWatcher, StudyPlan, Watcher
from harness.contracts.running import ELSEWHERE
from harness.contracts.study import MATRIX_FILE, PLAN_FILE
from harness.data.inspect import leakage
from harness.errors import DataError, StoreError
from harness.execute.executor import Executor, Places
from harness.execute.locks import is_alive
from harness.execute.packing import NOWHERE
from harness.execute.plan import RunSettings, states
from harness.execute.recording import ENVIRONMENT, RunContext, device_tags
from harness.execute.work import Work
from harness.interrupts import Interrupts
from harness.measure.environment import Environment, environment_of, git_state, uncommitted
from harness.plugins import Catalog
from harness.seeds import text_digest
from harness.track import EndStatus, Store
from harness.track.runs import LONGEST_ERROR, cut


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
        return _looked_again(_in_order(plan, outcomes), plan, store)
    places = executor.places(settings)
    with Interrupts() as interrupts, store.spooling() as spool:
        context = _start_matrix(plan, store, settings, places, watcher=watcher, interrupts=interrupts)
        work = Work(context, settings, outcomes)
        try:
            with executor:
                work.run(executor, todo)
            check_leakage(context, plan, settings)
        except KeyboardInterrupt:
            pass  # the outcomes say it
        finally:
            with suppress(StoreError):
                work.settle()
                _end_matrix(context, _in_order(plan, outcomes))
    ended = tuple(_refused(outcome, spool.refused) for outcome in _in_order(plan, outcomes))
    return ended if interrupts.heard else _looked_again(ended, plan, store)


def _looked_again(outcomes: Sequence[Outcome], plan: StudyPlan, store: Store) -> tuple[Outcome, ...]:
    """Return the outcomes, those of cells that ran elsewhere as they stand now: they may have ended meanwhile."""
    cells = tuple(each.planned for each in outcomes if each.runs_elsewhere)
    if not cells:
        return tuple(outcomes)
    now = {state.planned.key: state for state in states(plan.model_copy(update={"cells": cells}), store)}
    found = store.cell_records(now)
    metrics = {record.run_id: record.metrics for records in found.values() for record in records}
    return tuple(_elsewhere(now[each.planned.key], metrics) if each.runs_elsewhere else each for each in outcomes)


def _elsewhere(state: CellState, metrics: Mapping[str, Mapping[str, float]]) -> Outcome:
    """Return the outcome of a cell that was begun elsewhere."""
    if state.state == "failed":
        return Outcome(state.planned, "failed", state.run_id, message=f"failed elsewhere: {state.reason}")
    if state.state == "missing":
        return replace(_skip(state, metrics), message=f"{ELSEWHERE} no more: {state.reason}")
    return _skip(state, metrics)


def _refused(outcome: Outcome, refused: Mapping[str, str]) -> Outcome:
    """Return the outcome of a cell, failed where the store refused later what it had left."""
    reason = refused.get(outcome.run_id or "")
    return outcome if reason is None else replace(outcome, state="failed", message=reason)


def _is_to_run(state: CellState, settings: RunSettings) -> bool:
    return state.state in {"missing", "failed"} or (state.state == "stale" and settings.rerun_stale)


def _skipped(standing: Sequence[CellState], store: Store, settings: RunSettings) -> dict[str, Outcome]:
    """Return the outcomes of the cells that are not to be run, by the cell's id."""
    left = [state for state in standing if not _is_to_run(state, settings)]
    found = store.cell_records(state.planned.key for state in left)
    metrics = {record.run_id: record.metrics for records in found.values() for record in records}
    return {state.planned.id: _skip(state, metrics) for state in left}


def _skip(state: CellState, metrics: Mapping[str, Mapping[str, float]]) -> Outcome:
    message = f"{ELSEWHERE}, {state.reason}" if state.state == "running" else state.reason
    return Outcome(state.planned, "skipped", state.run_id, 0.0, message, metrics.get(state.run_id or "", {}))


def _in_order(plan: StudyPlan, outcomes: Mapping[str, Outcome]) -> tuple[Outcome, ...]:
    return tuple(outcomes.get(each.id, Outcome(each, "interrupted", message="not started")) for each in plan.cells)


def note_plan(plan: StudyPlan, store: Store, settings: RunSettings) -> None:
    """Log the plan, so that there is something to report of, unless the store has this very plan."""
    if plan.is_same(store.plan(plan.study)):
        return
    with Interrupts() as interrupts:
        context = _start_matrix(plan, store, settings, NOWHERE, watcher=SilentWatcher(), interrupts=interrupts)
        _end_matrix(context, ())


def _start_matrix(
    plan: StudyPlan, store: Store, settings: RunSettings, places: Places, *, watcher: Watcher, interrupts: Interrupts
) -> RunContext:
    """Start the run with the plan and the matrix file as artifacts; return what its cells share."""
    tags = machine_tags(settings, places.names)
    with interrupts.shield():
        _bury_dead(plan.study, store)
        own = {"harness.partial": str(plan.partial).lower(), "harness.matrix": plan.matrix}
        name = f"matrix {Path(plan.matrix).stem}"
        run_id = store.start_run(plan.study, "matrix", name, tags={**tags, **own})
        environment = driver_environment(settings, places.names)
        texts = {PLAN_FILE: plan.model_dump_json(indent=1), ENVIRONMENT: environment.text}
        changes = uncommitted(Path.cwd())
        if changes:
            texts["uncommitted.diff"] = changes
        if Path(plan.matrix).is_file():
            texts[MATRIX_FILE] = Path(plan.matrix).read_text()
        for file, text in texts.items():
            store.log_text(run_id, text, file)
        files = {file: text_digest(text) for file, text in texts.items()}
        store.note("plan", plan.study, run_id, files=files, tags={**tags, **own})
    return RunContext(
        store=store,
        watcher=watcher,
        interrupts=interrupts,
        places=places,
        study=plan.study,
        parent=run_id,
        tags=tags,
        environment=environment,
        plugins=settings.plugins,
        with_models=not settings.smoke,
    )


def _bury_dead(study: str, store: Store) -> None:
    """Mark matrix runs KILLED whose process is gone."""
    for record in store.records(study):
        if record.kind == "matrix" and record.status == "RUNNING" and not is_alive(record):
            store.end(record.run_id, "KILLED", "the process that ran it is gone")


def machine_tags(settings: RunSettings, devices: Sequence[str]) -> dict[str, str]:
    """Return the tags that say which code ran where; the runs of cells say on which of the devices."""
    return {
        "harness.git": git_state(Path.cwd()),
        **(device_tags(devices) if devices else {}),
        "harness.smoke": str(settings.smoke).lower(),
    }


def driver_environment(settings: RunSettings, devices: Sequence[str]) -> Environment:
    """Return what this process runs in, and how many workers it has."""
    workers = f"{settings.workers}, {settings.threads} threads each"
    return environment_of(Path.cwd(), ", ".join(devices) or settings.device, workers=workers)


def _end_matrix(context: RunContext, outcomes: Sequence[Outcome]) -> None:
    """End the run with counts of the outcomes, FAILED if any cell failed, KILLED if any was cut short."""
    counts = Counter(outcome.state for outcome in outcomes)
    rows = [f"| {state} | {count} |" for state, count in counts.items()]
    note = "\n".join(["| cells | number |", "|---|---:|", *rows])
    context.store.tag(context.parent, {"mlflow.note.content": note})
    status: EndStatus = "KILLED" if counts["interrupted"] else "FINISHED"
    context.store.end(context.parent, "FAILED" if counts["failed"] else status)


def check_leakage(context: RunContext, plan: StudyPlan, settings: RunSettings) -> None:
    """Log `leakage/N.json` with the matrix run for the N-th of the plan's data sets (from 0) if its test was opened.

    Where the images cannot be read any more, the tag `harness.leakage` says why.
    """
    openings = context.store.openings(planned.key for planned in plan.cells)
    opened = [planned.cell.dataset for planned in plan.cells if any(each.is_of(planned) for each in openings)]
    exposed = {each.images for dataset in opened for each in dataset.test_sets.values()}
    catalog = Catalog(settings.plugins)
    for number, dataset in enumerate(plan.datasets):
        if dataset.images not in exposed:
            continue
        try:
            found = leakage(dataset, catalog, settings.cache_folder)
        except DataError as error:
            context.store.tag(context.parent, {"harness.leakage": str(error)})
            context.store.note("check", context.study, context.parent, reason=cut(str(error), LONGEST_ERROR))
            continue
        path, text = f"leakage/{number}.json", found.model_dump_json(indent=1)
        context.store.log_text(context.parent, text, path)
        context.store.note("check", context.study, context.parent, files={path: text_digest(text)})
