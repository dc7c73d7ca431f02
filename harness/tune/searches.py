"""The searches of a matrix file: which they are, what they take still, and running one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.contracts import Tune
from harness.data import fingerprint
from harness.execute.estimate import Rates, Workers, workers_for
from harness.execute.executor import executor_for
from harness.execute.plan import RunSettings
from harness.matrix import Study
from harness.plugins import Catalog
from harness.track import Store
from harness.tune.context import TuneContext, for_smoke
from harness.tune.study import TuneOutcome, TuneWatcher, is_done, refuse_what_cannot_go_on, run_tuning
from harness.tune.trials import find_study
from harness.words import amount, rough


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
            cache=None if smoke else cache,
            mark=study.marks[name],
        )
        for name, tune in study.tune.items()
    )
    for search in searches:
        refuse_what_cannot_go_on(search)
    return searches


def run_searches(
    searches: Sequence[TuneContext],
    settings: RunSettings,
    executor: str,
    watching: Callable[[TuneContext], AbstractContextManager[TuneWatcher]],
) -> Iterator[TuneOutcome]:
    """Run one search after another and yield how each ended; the first that is interrupted is the last.

    Args:
        searches: What to run.
        settings: How trials are run.
        executor: `inline` or `local`.
        watching: Shows a search for as long as its context lasts.

    Raises:
        InputError: a search of another space has the same name, or more is asked of one that has opened its test set.
        StoreError: a store cannot be reached.
    """
    for search in searches:
        with watching(search) as watcher:
            opened = executor_for(executor, settings)
            outcome = run_tuning(search, opened, settings, watcher)
        yield outcome
        if outcome.state == "interrupted":
            return


def workers_of(searches: Sequence[TuneContext], asked: int | None, executor: str, devices: tuple[str, ...]) -> Workers:
    """Return who runs the trials."""
    fits = max((most_fits(search.tune) for search in searches), default=1)
    return workers_for(asked, executor, devices, fits)


def most_fits(tune: Tune) -> int:
    """Return how many fits a search takes at most: trials, confirmations and the winner's, one a seed."""
    confirm = tune.confirm.top * len(tune.confirm.seeds) if tune.confirm else 0
    return tune.trials * tune.objective.seeds + confirm + len(tune.seeds)


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
    study: Study, catalog: Catalog, store: Store | None, cache: Path, *, rates: Rates, smoke: bool
) -> tuple[SearchEstimate, ...]:
    """Return what each search of a file takes still; nothing is created.

    Args:
        study: The file.
        catalog: Where components are found.
        store: Where the searches are; None where nothing was run yet.
        cache: Where data sets are.
        rates: What cells took.
        smoke: Whether searches are cut to two trials.

    Raises:
        InputError: a search cannot go on as the file asks.
        StoreError: a store is there and cannot be opened.
    """
    if store is None:
        return tuple(_estimate(name, tune, tune.trials, 0, rates) for name, tune in study.tune.items())
    searches = searches_of(study, catalog, store, cache, smoke)
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
