"""The tuning studies of a matrix file: what is left of them, and running it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.cli.console import messages, say
from harness.cli.cost import Crew, crew_for
from harness.cli.tune_progress import most_fits, watching_study
from harness.data import fingerprint
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings
from harness.matrix import Study
from harness.plugins import Catalog
from harness.track import Store
from harness.track.environment import usable_cores
from harness.tune.context import Ground, for_smoke
from harness.tune.study import TuneOutcome, refuse_what_cannot_go_on, run_tuning


@dataclass(frozen=True, slots=True)
class How:
    """How studies are run."""

    settings: RunSettings
    crew: Crew
    executor: str
    verbosity: int


def grounds_of(study: Study, catalog: Catalog, store: Store, cache: Path, smoke: bool) -> tuple[Ground, ...]:
    """Return the file's tuning studies.

    Raises:
        DataError: a data set cannot be used.
        InputError: a study cannot go on as the file asks.
    """
    grounds = tuple(
        Ground(
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
    for ground in grounds:
        refuse_what_cannot_go_on(ground)
    return grounds


def run_studies(grounds: tuple[Ground, ...], how: How) -> Iterator[TuneOutcome]:
    """Run one study after another and yield how each ended; the first that is interrupted is the last."""
    for ground in grounds:
        outcome = _run(ground, how)
        _say_ending(outcome, how.verbosity)
        yield outcome
        if outcome.state == "interrupted":
            return


def _run(ground: Ground, how: How) -> TuneOutcome:
    settings, tune = how.settings, ground.tune
    with watching_study(tune, how.crew, messages(), how.verbosity) as watcher:
        return run_tuning(ground, open_executor(how.executor, settings.workers, settings.threads), settings, watcher)


def studies_crew(asked: int | None, executor: str, devices: tuple[str, ...], grounds: tuple[Ground, ...]) -> Crew:
    """Return who runs the trials."""
    fits = max((most_fits(ground.tune) for ground in grounds), default=1)
    return crew_for(asked, executor, devices, usable_cores(), fits)


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
