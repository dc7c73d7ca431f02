"""`harness tune`: the searches of a matrix file and nothing else of it."""

from __future__ import annotations

from dataclasses import replace

from harness.api.read import report_folder, summary_written
from harness.api.run import search, searches_ending
from harness.cli.console import print_json, say, shown_path, warn
from harness.cli.options import Tune
from harness.cli.report import print_summary
from harness.cli.run import EXIT_CODES, Terminal, options_of, search_as_json
from harness.data.checks import check_all
from harness.errors import InputError, nearest
from harness.execute.driver import note_plan
from harness.execute.estimate import devices_for
from harness.execute.plan import make_plan
from harness.matrix import Study, load_study
from harness.plugins import Catalog
from harness.track import open_store
from harness.track.spool import deliver
from harness.tune.searches import searches_of, workers_of


def perform(asked: Tune) -> int:
    """Run the searches, write the report, and return the exit code.

    Raises:
        InputError: the matrix file has problems, there is no such search, or it cannot go on as asked.
        StoreError: a store cannot be reached.
    """
    catalog, options = Catalog(asked.plugins), options_of(asked)
    study = load_study(asked.matrix, catalog, asked.override, asked.only)
    chosen = _chosen(study, asked.name)
    plan = make_plan(study, catalog, asked.cache)
    warn(check_all((each.start for each in chosen.tune.values()), catalog, asked.cache, may_open=False))
    store = open_store(asked.store_home)
    deliver(store)
    searches = searches_of(chosen, catalog, store, asked.cache, asked.smoke)
    workers = workers_of(searches, asked.workers, asked.executor, devices_for(asked.executor, asked.device))
    note_plan(plan, store, options.settings(store, workers))
    outcomes = search(searches, options, store, workers, Terminal(asked.verbosity))
    code = EXIT_CODES[searches_ending(outcomes)]
    page = report_folder(store, study.name) / "index.html"
    is_current = page.exists() and all(each.state == "skipped" for each in outcomes)
    found = summary_written(store, study.name, is_current=is_current)
    if asked.json:
        print_json({"study": study.name, "exit_code": code, "tune": [search_as_json(each) for each in outcomes]})
        return code
    print_summary(found)
    if asked.verbosity >= 0:
        say(f"report:  {shown_path(page)}")
    return code


def _chosen(study: Study, name: str | None) -> Study:
    if not study.tune:
        raise InputError(f"{study.path}: has no tune section: there is nothing to tune")
    if name is None:
        return study
    if name not in study.tune:
        raise InputError(f'{study.path}: tune has no "{name}"{nearest(name, study.tune)}')
    return replace(study, tune={name: study.tune[name]})
