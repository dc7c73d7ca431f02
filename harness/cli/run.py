"""`harness run`: plan, run what is missing, write the report, and end with what it comes to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.cli.console import messages, print_json, say, shown_path
from harness.cli.dispatch import INTERRUPTED, work_of
from harness.cli.options import HOME, Run
from harness.cli.progress import watching
from harness.cli.report import print_summary, report_folder, summary_written
from harness.cli.run_progress import RunProgress
from harness.cli.tune import as_json as search_as_json
from harness.cli.tune import estimates, run_searches, searches_of, settings_for, workers_of
from harness.cli.tune import exit_code as searches_exit_code
from harness.contracts import Outcome, StudyPlan
from harness.execute.driver import run_plan
from harness.execute.estimate import Estimate, disk_bytes, estimate, refuse_disk, refuse_hours
from harness.execute.executor import open_executor
from harness.execute.plan import make_plan, states
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.track import Store, existing_store, open_store
from harness.tune.context import TuneContext
from harness.tune.study import TuneOutcome
from harness.words import amount


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that may be run: checked, within its budget, its store open."""

    plan: StudyPlan
    searches: tuple[TuneContext, ...]
    catalog: Catalog
    store: Store
    estimate: Estimate


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
    _tell_tracebacks(outcomes, prepared.store, asked)
    tuned = _tune(asked, prepared)
    left = _left_by_only(asked, prepared)
    code = worst(code, searches_exit_code(tuned)) or (3 if left else 0)
    if code != INTERRUPTED:
        _report(asked, prepared, outcomes, tuned, code)
    for line in (*_remarks(asked, prepared, outcomes), left):
        if line:
            say(line)
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


def _runs_elsewhere(outcome: Outcome) -> bool:
    return outcome.state == "skipped" and outcome.message.startswith("runs elsewhere")


def _prepare(asked: Run) -> Prepared:
    catalog = Catalog(asked.plugins)
    study = load_study(asked.matrix, catalog, asked.override, asked.only)
    plan = make_plan(study, catalog, asked.cache)
    store = existing_store(asked.store_home)
    found = estimate(
        plan,
        store,
        device=asked.device,
        workers=asked.workers,
        executor=asked.executor,
        stale=asked.stale,
        smoke=asked.smoke,
    )
    found = _with_sizes(found, plan, catalog, asked.cache)
    searched = sum(each.seconds or 0.0 for each in estimates(asked, study, catalog, store, found.rates))
    refuse_hours(found.seconds + searched / max(1, found.workers.sure), plan.budget.hours)
    store = store or open_store(asked.store_home)
    return Prepared(plan, searches_of(study, catalog, store, asked.cache, asked.smoke), catalog, store, found)


def _with_sizes(found: Estimate, plan: StudyPlan, catalog: Catalog, cache: Path) -> Estimate:
    """Return the estimate with the networks' operations, where they are of use: counting them imports torch."""
    if plan.budget.disk_gb is None and not found.wants_flops:
        return found
    sizes = work_of("sizes").known_sizes(found.todo, catalog, cache)
    if plan.budget.disk_gb is not None:
        refuse_disk(disk_bytes({key: size.parameters for key, size in sizes.items()}, found.todo), plan.budget.disk_gb)
    return replace(found, flops={key: size.flops for key, size in sizes.items()})


def _announce(asked: Run, prepared: Prepared) -> None:
    if asked.verbosity < 0:
        return
    counts = Counter(state.state for state in prepared.estimate.states)
    cells, todo = len(prepared.plan.cells), prepared.estimate.todo
    if not todo and not counts["running"]:
        say(f"nothing to do: all {cells} cells are done")
    else:
        before = f", {counts['done']} of {cells} are done already" if counts["done"] else ""
        say(f"{prepared.plan.study}: {amount(len(todo), 'cell')} to run with {prepared.estimate.workers.text}{before}")


def _run(asked: Run, prepared: Prepared) -> tuple[Outcome, ...]:
    plan, found = prepared.plan, prepared.estimate
    settings = settings_for(asked, prepared.store, found.workers, rerun_stale=asked.stale)
    executor = open_executor(asked.executor, settings.workers, settings.threads)
    progress = RunProgress(found.todo, found.rates, found.workers, found.flops)
    with watching(progress, messages(), asked.verbosity) as watcher:
        return run_plan(found.noted(plan), prepared.store, executor, settings, watcher)


def _tune(asked: Run, prepared: Prepared) -> list[TuneOutcome]:
    workers = workers_of(prepared.searches, asked, prepared.estimate.workers.devices)
    settings = settings_for(asked, prepared.store, workers, rerun_stale=asked.stale)
    return list(run_searches(prepared.searches, settings, workers, asked))


def _tell_tracebacks(outcomes: Sequence[Outcome], store: Store, asked: Run) -> None:
    """Print the tracebacks of failed cells with -v; why each failed has been told as it did."""
    for outcome in outcomes if asked.verbosity > 0 else ():
        if outcome.state == "failed":
            path = store.artifact(outcome.run_id, "traceback.txt") if outcome.run_id else None
            say(f"{outcome.planned.name}\n{path.read_text() if path else outcome.message}")


def _remarks(asked: Run, prepared: Prepared, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return what is to be done about cells that have no figures, or old ones."""
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    stale = sum(state.state == "stale" for state in prepared.estimate.states)
    lines = []
    if failed:
        lines.append(
            f"{failed} of {amount(len(outcomes), 'cell')} failed; run the same command again to try them again"
        )
    if stale and not asked.stale and asked.verbosity >= 0:
        cells = f"{amount(stale, 'cell')} {'is' if stale == 1 else 'are'} stale"
        lines.append(f"{cells} (their component's source has changed since): --rerun stale redoes them")
    return tuple(lines)


def _left_by_only(asked: Run, prepared: Prepared) -> str:
    """Return how many cells of the file --only left out that are not done, empty if none."""
    if not prepared.plan.partial:
        return ""
    whole = load_study(asked.matrix, prepared.catalog, asked.override)
    standing = states(make_plan(whole, prepared.catalog, asked.cache), prepared.store)
    left = sum(state.state not in {"done", "stale"} for state in standing)
    return f"{left} of the {len(standing)} cells of {asked.matrix} are not done (--only)" if left else ""


def _report(
    asked: Run, prepared: Prepared, outcomes: Sequence[Outcome], tuned: Sequence[TuneOutcome], code: int
) -> None:
    study, store = prepared.plan.study, prepared.store
    folder = report_folder(store, study)
    found = summary_written(store, study, is_current=_is_up_to_date(folder / "index.html", store, study))
    if asked.json:
        cells, tune = [_as_json(each) for each in outcomes], [search_as_json(each) for each in tuned]
        ending = {"headline": found.headline, "next_steps": found.next_steps, "warnings": found.warnings}
        print_json({"study": study, "exit_code": code, "report": str(folder), **ending, "cells": cells, "tune": tune})
        return
    print_summary(found)
    if asked.verbosity >= 0:
        say(f"report:  {shown_path(folder / 'index.html')}")
        home = "" if asked.store_home == HOME else f" --home {asked.store_home}"
        say(f"runs:    harness ui{home}")


def _is_up_to_date(page: Path, store: Store, study: str) -> bool:
    """Whether a report was written after the last run of its study had ended, that of another plan included."""
    newest = max((record.end or math.inf for record in store.records(study)), default=0.0)
    return page.exists() and page.stat().st_mtime > newest


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
