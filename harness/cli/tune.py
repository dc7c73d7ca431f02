"""`harness tune`: the searches of a matrix file and nothing else of it; and what `run` and `plan` need of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from harness.cli.console import messages, print_json, say, shown_path
from harness.cli.dispatch import INTERRUPTED
from harness.cli.options import Tune as Asked
from harness.cli.options import Work
from harness.cli.report import print_summary, report_folder, summary_written
from harness.cli.tune_progress import most_fits, watching_study
from harness.contracts import Tune
from harness.data import fingerprint
from harness.errors import InputError, nearest
from harness.execute.driver import note_plan
from harness.execute.estimate import Rates, Workers, workers_for
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings, choose_devices, make_plan
from harness.matrix import Study, load_study
from harness.plugins import Catalog
from harness.track import Store, open_store
from harness.tune.context import TuneContext, for_smoke
from harness.tune.study import TuneOutcome, is_done, refuse_what_cannot_go_on, run_tuning
from harness.tune.trials import find_study
from harness.words import amount, rough

CODES: Final = {"interrupted": INTERRUPTED, "failed": 1, "elsewhere": 3}
"""How a search ended -> the exit code, the worst first; else 0."""


def perform(asked: Asked) -> int:
    """Run the searches, write the report, and return the exit code.

    Raises:
        InputError: the matrix file has problems, there is no such search, or it cannot go on as asked.
        StoreError: a store cannot be reached.
    """
    catalog = Catalog(asked.plugins)
    study = load_study(asked.matrix, catalog, asked.override, asked.only)
    chosen = _chosen(study, asked.name)
    plan = make_plan(study, catalog, asked.cache)
    store = open_store(asked.store_home)
    searches = searches_of(chosen, catalog, store, asked.cache, asked.smoke)
    workers = workers_of(searches, asked, choose_devices(asked.device))
    settings = settings_for(asked, store, workers)
    note_plan(plan, store, settings)
    outcomes = list(run_searches(searches, settings, workers, asked))
    code = exit_code(outcomes)
    page = report_folder(store, study.name) / "index.html"
    is_current = page.exists() and all(each.state == "skipped" for each in outcomes)
    found = summary_written(store, study.name, is_current=is_current)
    if asked.json:
        print_json({"study": study.name, "exit_code": code, "tune": [as_json(each) for each in outcomes]})
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


def settings_for(asked: Work, store: Store, workers: Workers, *, rerun_stale: bool = False) -> RunSettings:
    """Return how cells are run, for the driver."""
    return RunSettings(
        home=store.home,
        device=asked.device,
        workers=workers.count,
        packed=workers.packed,
        retry=asked.retry,
        fail_fast=asked.fail_fast,
        smoke=asked.smoke,
        rerun_stale=rerun_stale,
        plugins=tuple(folder.absolute() for folder in asked.plugins),
        cache=asked.cache.absolute(),
    )


def searches_of(study: Study, catalog: Catalog, store: Store, cache: Path, smoke: bool) -> tuple[TuneContext, ...]:
    """Return the file's searches.

    Raises:
        DataError: a data set cannot be used.
        InputError: a search cannot go on as the file asks.
    """
    searches = tuple(
        TuneContext(
            study=study.name,
            name=name,
            tune=for_smoke(tune) if smoke else tune,
            store=store,
            catalog=catalog,
            fingerprint=fingerprint(tune.start.dataset, catalog, cache),
            mark=study.marks[name],
        )
        for name, tune in study.tune.items()
    )
    for search in searches:
        refuse_what_cannot_go_on(search)
    return searches


def workers_of(searches: Sequence[TuneContext], asked: Work, devices: tuple[str, ...]) -> Workers:
    """Return who runs the trials."""
    fits = max((most_fits(search.tune) for search in searches), default=1)
    return workers_for(asked.workers, asked.executor, devices, fits)


def run_searches(
    searches: Sequence[TuneContext], settings: RunSettings, workers: Workers, asked: Work
) -> Iterator[TuneOutcome]:
    """Run one search after another and yield how each ended; the first that is interrupted is the last."""
    for search in searches:
        executor = open_executor(asked.executor, settings.workers, settings.threads)
        with watching_study(search.tune, workers, messages(), asked.verbosity) as watcher:
            outcome = run_tuning(search, executor, settings, watcher)
        _say_ending(outcome, asked.verbosity)
        yield outcome
        if outcome.state == "interrupted":
            return


def _say_ending(outcome: TuneOutcome, verbosity: int) -> None:
    if verbosity < 0 and outcome.state != "failed":
        return
    found, name = outcome.tuning, outcome.name
    match outcome.state:
        case "skipped":
            say(f"{name}: tuned already, trial {found.winner} of {len(found.trials)} won")
        case "done":
            say(f"{name}: tuned, trial {found.winner} of {len(found.trials)} won")
        case "elsewhere":
            say(f"{name}: {outcome.message}")
        case "failed":
            say(f"{name}: FAILED: {outcome.message}")
        case "interrupted":
            ended = sum(trial.state != "running" for trial in found.trials)
            say(f"{name}: interrupted after {ended} trials; to go on, run the same command again")


def exit_code(outcomes: Sequence[TuneOutcome]) -> int:
    """Return 130 if a search was interrupted, 1 if one failed, 3 if one goes on elsewhere, else 0."""
    states = {each.state for each in outcomes}
    return next((code for state, code in CODES.items() if state in states), 0)


def as_json(outcome: TuneOutcome) -> dict[str, object]:
    """Return a search's ending for programs."""
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


@dataclass(frozen=True, slots=True)
class SearchEstimate:
    """How far a search is, and what it takes still. `seconds` is a guess of fitting time, None if unknown."""

    name: str
    state: str
    """missing, begun or done."""
    trials: int
    budget: int
    fits: int
    """How many there are still at most."""
    seconds: float | None

    def as_json(self) -> dict[str, object]:
        """Return it for programs."""
        return asdict(self)

    def text(self) -> str:
        """Return it as a line."""
        head = f"tune {self.name}: {self.trials} of {amount(self.budget, 'trial')} done"
        if self.state == "done":
            return f"tune {self.name}: done, {amount(self.trials, 'trial')}"
        time = "time unknown" if self.seconds is None else f"at most about {rough(self.seconds)} of fitting"
        return f"{head}, up to {amount(self.fits, 'fit')} to go, {time}"


def estimates(
    asked: Work, study: Study, catalog: Catalog, store: Store | None, rates: Rates
) -> tuple[SearchEstimate, ...]:
    """Return what each search takes still; nothing is created.

    Raises:
        InputError: a search cannot go on as the file asks.
        StoreError: a store is there and cannot be opened.
    """
    if store is None:
        return tuple(_estimate(name, tune, tune.trials, 0, rates) for name, tune in study.tune.items())
    searches = searches_of(study, catalog, store, asked.cache, asked.smoke)
    return tuple(_estimate_of(each, rates) for each in searches)


def _estimate_of(search: TuneContext, rates: Rates) -> SearchEstimate:
    tune, stored = search.tune, find_study(search, search.store.home)
    told = [each for each in stored.trials.all() if each.state != "running"] if stored else []
    if stored is not None and is_done(stored):
        return SearchEstimate(search.name, "done", len(told), search.budget, 0, 0.0)
    return _estimate(search.name, tune, search.budget, len(told), rates)


def _estimate(name: str, tune: Tune, budget: int, told: int, rates: Rates) -> SearchEstimate:
    fits = most_fits(tune) - (tune.trials - budget + told) * tune.objective.seeds
    fit_seconds = rates.guess(tune.start)
    seconds = None if fit_seconds is None else fits * fit_seconds
    return SearchEstimate(name, "begun" if told else "missing", told, budget, fits, seconds)
