"""`harness run`: plan, run what is missing, write the report, show the results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cli.board import Board
from harness.cli.console import messages, print_json, say
from harness.cli.cost import Crew, disk_bytes, refuse_disk, refuse_hours
from harness.cli.dispatch import INTERRUPTED, work_of
from harness.cli.options import Run
from harness.cli.outlook import Outlook, look_ahead, with_estimates
from harness.cli.progress import watching
from harness.cli.report import print_results, report_folder, shown_path
from harness.cli.stores import existing_store
from harness.cli.tune import as_json as study_as_json
from harness.cli.tune import exit_code as studies_exit_code
from harness.cli.tune_outlook import look_at, seconds_of
from harness.cli.tuning import How, grounds_of, run_studies, studies_crew
from harness.contracts import Outcome, StudyPlan
from harness.execute.driver import run_plan
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings, make_plan, states
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.report import summary_rows, write_report
from harness.track import Store, open_store
from harness.tune.context import Ground
from harness.tune.study import TuneOutcome
from harness.words import amount


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that may be run: checked, within its budget, its store open."""

    plan: StudyPlan
    grounds: tuple[Ground, ...]
    """The file's tuning studies."""
    catalog: Catalog
    store: Store
    outlook: Outlook


def perform(asked: Run) -> int:
    """Run what is missing or failed and return the exit code.

    Raises:
        InputError: the matrix file has problems, a data set cannot be used, or the budget is too small.
        StoreError: the store cannot be reached.
    """
    prepared = _prepare(asked)
    _announce(asked, prepared)
    outcomes = _run(asked, prepared)
    code = exit_code(outcomes, asked.fail_fast)
    if code == INTERRUPTED:
        done = sum(outcome.state in {"finished", "skipped"} for outcome in outcomes)
        say(f"interrupted: {done} of {len(outcomes)} cells are done; to go on, run the same command again")
        return code
    _tell_failures(outcomes, prepared.store, asked)
    tuned = list(run_studies(prepared.grounds, _how(asked, prepared))) if code in {0, 1, 3} else []
    code = worst(code, studies_exit_code(tuned)) or _incomplete(asked, prepared)
    if code != INTERRUPTED:
        _report(asked, prepared, outcomes, tuned, code)
    return code


def exit_code(outcomes: Sequence[Outcome], fail_fast: bool) -> int:
    """Return 130 if the run was interrupted, 1 if a cell failed, 3 if cells run elsewhere, else 0."""
    counts = Counter(outcome.state for outcome in outcomes)
    if counts["interrupted"] and not (fail_fast and counts["failed"]):
        return INTERRUPTED
    if counts["failed"]:
        return 1
    return 3 if any(_runs_elsewhere(outcome) for outcome in outcomes) else 0


def worst(*codes: int) -> int:
    """Return the exit code that says most: interrupted, then failed, then incomplete."""
    return next((code for code in (INTERRUPTED, 1, 3) if code in codes), 0)


def _prepare(asked: Run) -> Prepared:
    catalog = Catalog(asked.plugins)
    study = load_study(asked.matrix, catalog, asked.override, asked.only)
    plan = make_plan(study, catalog, asked.cache)
    outlook = look_ahead(asked, plan, existing_store(asked.store_home), asked.stale)
    studies = look_at(asked, study, catalog, outlook.rates)
    refuse_hours(outlook.bill.seconds + seconds_of(studies, outlook.crew.sure), plan.budget.hours)
    if plan.budget.disk_gb is not None:
        needed = work_of("planned_sizes").parameters_of(outlook.todo, catalog, asked.cache)  # imports torch
        refuse_disk(disk_bytes(needed, outlook.todo), plan.budget.disk_gb)
    store = open_store(asked.store_home)
    return Prepared(plan, grounds_of(study, catalog, store, asked.cache, asked.smoke), catalog, store, outlook)


def _run(asked: Run, prepared: Prepared) -> tuple[Outcome, ...]:
    plan, outlook = prepared.plan, prepared.outlook
    settings = _settings(asked, prepared, outlook.crew)
    executor = open_executor(asked.executor, settings.workers, settings.threads)
    board = Board(outlook.todo, outlook.rates, outlook.crew)
    with watching(board, messages(), asked.verbosity) as watcher:
        return run_plan(with_estimates(plan, outlook), prepared.store, executor, settings, watcher)


def _how(asked: Run, prepared: Prepared) -> How:
    crew = studies_crew(asked.workers, asked.executor, prepared.outlook.crew.devices, prepared.grounds)
    return How(_settings(asked, prepared, crew), crew, asked.executor, asked.verbosity)


def _settings(asked: Run, prepared: Prepared, crew: Crew) -> RunSettings:
    return RunSettings(
        home=prepared.store.home,
        device=asked.device,
        workers=crew.workers,
        packed=crew.packed,
        retry=asked.retry,
        fail_fast=asked.fail_fast,
        smoke=asked.smoke,
        rerun_stale=asked.stale,
        plugins=tuple(folder.absolute() for folder in asked.plugins),
        cache=asked.cache.absolute(),
    )


def _announce(asked: Run, prepared: Prepared) -> None:
    if asked.verbosity < 0:
        return
    counts = Counter(state.state for state in prepared.outlook.states)
    cells = len(prepared.plan.cells)
    stale = counts["stale"] if not asked.stale else 0
    if not prepared.outlook.todo and not counts["running"]:
        say(f"nothing to do: all {cells} cells are done")
    else:
        before = f", {counts['done']} of {cells} are done already" if counts["done"] else ""
        crew = prepared.outlook.crew.text
        say(f"{prepared.plan.study}: {amount(len(prepared.outlook.todo), 'cell')} to run with {crew}{before}")
    if stale:
        say(f"{stale} of them are stale (their component's source has changed since): --rerun stale redoes them")


def _tell_failures(outcomes: Sequence[Outcome], store: Store, asked: Run) -> None:
    """Say how many cells failed, with -v their tracebacks too; why each failed has been told as it did."""
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    for outcome in failed if asked.verbosity > 0 else ():
        path = store.artifact(outcome.run_id, "traceback.txt") if outcome.run_id else None
        say(f"{outcome.planned.name}\n{path.read_text() if path else outcome.message}")
    if failed:
        say(f"{len(failed)} of {amount(len(outcomes), 'cell')} failed; run the same command again to try them again")


def _incomplete(asked: Run, prepared: Prepared) -> int:
    """Return 3 if --only left cells of the file out that are not done, else 0."""
    if not prepared.plan.partial:
        return 0
    whole = load_study(asked.matrix, prepared.catalog, asked.override)
    standing = states(make_plan(whole, prepared.catalog, asked.cache), prepared.store)
    left = sum(state.state not in {"done", "stale"} for state in standing)
    if left:
        say(f"{left} of the {len(standing)} cells of {asked.matrix} are not done (--only)")
    return 3 if left else 0


def _report(
    asked: Run, prepared: Prepared, outcomes: Sequence[Outcome], tuned: Sequence[TuneOutcome], code: int
) -> None:
    study, store = prepared.plan.study, prepared.store
    folder = report_folder(store, study)
    if not _is_up_to_date(folder / "index.html", store, study):
        write_report(store, study, folder)
    if asked.json:
        cells, tune = [_as_json(each) for each in outcomes], [study_as_json(each) for each in tuned]
        print_json({"study": study, "exit_code": code, "report": str(folder), "cells": cells, "tune": tune})
        return
    print_results(summary_rows(store, study))
    if asked.verbosity >= 0:
        say(f"report:  {shown_path(folder / 'index.html')}")
        say(f"runs:    harness ui{home_option(asked.store_home)}")


def _is_up_to_date(page: Path, store: Store, study: str) -> bool:
    """Whether a report was written after the last run of its study had ended, that of another plan included."""
    newest = max((record.end or math.inf for record in store.records(study)), default=0.0)
    return page.exists() and page.stat().st_mtime > newest


def home_option(home: Path) -> str:
    """Return the option that names a home, empty for the default one."""
    return "" if home == Path(".harness") else f" --home {home}"


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.planned.name,
        "key": outcome.planned.key,
        "state": outcome.state,
        "run_id": outcome.run_id,
        "seconds": outcome.seconds,
        "message": outcome.message,
        "metrics": dict(outcome.metrics),
    }


def _runs_elsewhere(outcome: Outcome) -> bool:
    return outcome.state == "skipped" and outcome.message.startswith("runs elsewhere")
