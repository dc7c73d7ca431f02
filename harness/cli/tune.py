"""`harness tune`: the tuning studies of a matrix file and nothing else of it."""

from __future__ import annotations

from dataclasses import replace

from harness.cli.console import print_json, say
from harness.cli.dispatch import INTERRUPTED
from harness.cli.options import Tune
from harness.cli.outlook import look_ahead
from harness.cli.report import print_results, report_folder, shown_path
from harness.cli.tuning import How, grounds_of, run_studies, studies_crew
from harness.errors import InputError, nearest
from harness.execute.driver import note_plan
from harness.execute.plan import RunSettings, make_plan
from harness.matrix import Study, load_study
from harness.plugins import Catalog
from harness.report import summary_rows, write_report
from harness.track import open_store
from harness.tune.study import TuneOutcome


def perform(asked: Tune) -> int:
    """Run the studies, write the report, and return the exit code.

    Raises:
        InputError: the matrix file has problems, there is no such study, or it cannot go on as asked.
        StoreError: a store cannot be reached.
    """
    catalog = Catalog(asked.plugins)
    study = load_study(asked.matrix, catalog, asked.override, asked.only)
    chosen = _chosen(study, asked.name)
    plan = make_plan(study, catalog, asked.cache)
    store = open_store(asked.store_home)
    outlook = look_ahead(asked, plan, store)
    grounds = grounds_of(chosen, catalog, store, asked.cache, asked.smoke)
    crew = studies_crew(asked.workers, asked.executor, outlook.crew.devices, grounds)
    settings = RunSettings(
        home=store.home,
        device=asked.device,
        workers=crew.workers,
        packed=crew.packed,
        retry=asked.retry,
        fail_fast=asked.fail_fast,
        smoke=asked.smoke,
        plugins=tuple(folder.absolute() for folder in asked.plugins),
        cache=asked.cache.absolute(),
    )
    note_plan(plan, store, settings)
    outcomes = list(run_studies(grounds, How(settings, crew, asked.executor, asked.verbosity)))
    code = exit_code(outcomes)
    folder = report_folder(store, study.name)
    if any(each.state != "skipped" for each in outcomes) or not (folder / "index.html").exists():
        write_report(store, study.name, folder)
    if asked.json:
        print_json({"study": study.name, "exit_code": code, "tune": [as_json(each) for each in outcomes]})
        return code
    print_results(summary_rows(store, study.name))
    if asked.verbosity >= 0:
        say(f"report:  {shown_path(folder / 'index.html')}")
    return code


def exit_code(outcomes: list[TuneOutcome]) -> int:
    """Return 130 if a study was interrupted, 1 if one failed, 3 if one goes on elsewhere, else 0."""
    states = {each.state for each in outcomes}
    codes = {"interrupted": INTERRUPTED, "failed": 1, "elsewhere": 3}
    return next((code for state, code in codes.items() if state in states), 0)


def as_json(outcome: TuneOutcome) -> dict[str, object]:
    """Return a study's ending for programs."""
    found = outcome.tuning
    best = next((each for each in found.trials if each.number == found.winner), None)
    return {
        "name": outcome.name,
        "state": outcome.state,
        "message": outcome.message,
        "trials": len(found.trials),
        "seconds": found.seconds,
        "winner": found.winner,
        "params": dict(best.params) if best else {},
        "search_score": best.values[0] if best else None,
        "optimism": found.optimism,
        "final_key": found.final.key if found.final else None,
        "final_metrics": dict(outcome.final.metrics) if outcome.final else {},
    }


def _chosen(study: Study, name: str | None) -> Study:
    if not study.tune:
        raise InputError(f"{study.path}: has no tune section: there is nothing to tune")
    if name is None:
        return study
    if name not in study.tune:
        raise InputError(f'{study.path}: tune has no "{name}"{nearest(name, study.tune)}')
    return replace(study, tune={name: study.tune[name]})
