"""What is left of a file's tuning studies and what it costs, foreseen without starting anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from harness.cli.options import Work
from harness.cli.rates import Rates
from harness.cli.stores import existing_store
from harness.cli.tune_progress import most_fits
from harness.cli.tuning import grounds_of
from harness.contracts import Tune
from harness.matrix import Study
from harness.plugins import Catalog
from harness.tune.context import Ground
from harness.tune.study import is_done
from harness.tune.trials import find_book
from harness.words import amount, rough


@dataclass(frozen=True, slots=True)
class StudyOutlook:
    """A tuning study: how far it is, and what it takes still. `seconds` is a guess of fitting time, None if unknown."""

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


def look_at(asked: Work, study: Study, catalog: Catalog, rates: Rates) -> tuple[StudyOutlook, ...]:
    """Return the outlook of each study; nothing is created.

    Raises:
        InputError: a study cannot go on as the file asks.
        StoreError: a store is there and cannot be opened.
    """
    store = existing_store(asked.store_home)
    if store is None:
        return tuple(_outlook(name, tune, tune.trials, 0, rates) for name, tune in study.tune.items())
    return tuple(_look_at(each, rates) for each in grounds_of(study, catalog, store, asked.cache, asked.smoke))


def seconds_of(studies: Sequence[StudyOutlook], workers: int) -> float:
    """Return the time that all studies take with so many workers, as far as it is known."""
    return sum(each.seconds or 0.0 for each in studies) / max(1, workers)


def _look_at(ground: Ground, rates: Rates) -> StudyOutlook:
    tune, book = ground.tune, find_book(ground, ground.store.home)
    told = [each for each in book.trials.all() if each.state != "running"] if book else []
    if book is not None and is_done(book):
        return StudyOutlook(ground.name, "done", len(told), ground.budget, 0, 0.0)
    return _outlook(ground.name, tune, ground.budget, len(told), rates)


def _outlook(name: str, tune: Tune, budget: int, told: int, rates: Rates) -> StudyOutlook:
    fits = most_fits(tune) - (tune.trials - budget + told) * tune.objective.seeds
    fit_seconds = rates.guess(tune.start)
    seconds = None if fit_seconds is None else fits * fit_seconds
    return StudyOutlook(name, "begun" if told else "missing", told, budget, fits, seconds)
