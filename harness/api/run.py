"""A matrix file from start to end: plan, run what is missing, search, write the report, say what it comes to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final, Literal, Protocol

from harness.api import assignments
from harness.api.read import plan_of_file, report_folder, summary_written
from harness.charts.style import undrawn
from harness.contracts import Outcome, SilentWatcher, StudyPlan, TrialFound, Tune, Watcher
from harness.contracts.metrics import TEST_ACCURACY, VAL_ACCURACY
from harness.data import class_names, fitted_on
from harness.data.checks import check_all, dark
from harness.data.inspect import known_copies
from harness.execute.driver import run_plan
from harness.execute.estimate import Estimate, Workers, disk_bytes, estimate, refuse_disk, refuse_hours
from harness.execute.executor import executor_for
from harness.execute.plan import RunSettings, make_plan, states
from harness.matrix import load_study, remarks_of
from harness.plugins import Catalog
from harness.report import Summary
from harness.track import Store, existing_store, home_of, open_store
from harness.track.spool import deliver
from harness.tune.context import TuneContext
from harness.tune.searches import estimates, run_searches, searches_of, workers_of
from harness.tune.study import TuneOutcome, TuneWatcher
from harness.words import SHOWN, amount, duration, metric_text

Ending = Literal["complete", "failed", "incomplete", "interrupted"]
"""How a run ended: `failed` if any cell or search did, `incomplete` if some were left out or run elsewhere."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run came to. `summary` and `page` are None of one that was interrupted."""

    study: str
    state: Ending
    page: Path | None
    """The report's page."""
    in_file: int
    """How many cells the file has, whatever `only` says."""
    left_out: int
    """How many of them `only` left out that are not done."""
    cells: tuple[Outcome, ...] = field(repr=False)
    searches: tuple[TuneOutcome, ...] = field(repr=False)
    summary: Summary | None = field(repr=False)
    """Who won, how sure that is, what to try next, what to be warned of."""
    store: Store = field(repr=False)
    estimate: Estimate = field(repr=False)
    """Where each cell stood before."""
    remarks: tuple[str, ...] = ()
    """What the file asks for that has no effect, such as a warm-up longer than the training, each with its place."""


def run(
    matrix: str | Path,
    *,
    override: Mapping[str, object] | None = None,
    only: str | Sequence[str] | None = None,
    home: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    executor: str = "local",
    smoke: bool = False,
    fail_fast: bool = False,
    retry: int = 0,
    cell_timeout: float | None = None,
    address: str | None = None,
    gpu_share: float = 1.0,
    rerun_stale: bool = False,
    plugins: Sequence[str | Path] = (),
    tell: Callable[[str], object] | None = None,
) -> Finished:
    """Run what a matrix file asks for and is not done yet, and write its report; `harness run` does no more.

    Args:
        matrix: The file.
        override: Values of the file to be changed, by path, such as `{"recipe.epochs": 5}`.
        only: Only cells whose name matches this pattern, or one of these.
        home: Where runs, caches and reports are kept; `$HARNESS_HOME`, else `.harness`.
        device: `auto`, `cpu`, `cuda` (all GPUs) or `cuda:N`.
        workers: Cells side by side; None for as many as are of use.
        executor: `local` runs cells in processes of their own, `inline` in this one, where a debugger stops; `ray` on a
            cluster.
        smoke: A few batches of each cell, in a store of its own.
        fail_fast: Whether to stop at the first cell that fails.
        retry: How often a cell that failed by the machine's fault is tried again.
        cell_timeout: Seconds after which a cell is ended as failed; None for no limit.
        address: Of the Ray cluster, as `ray.init` takes it; None for `$RAY_ADDRESS`, else this machine alone.
        gpu_share: Part of a GPU that each cell is given by Ray.
        rerun_stale: Whether cells run again whose component's source has changed.
        plugins: Folders of your own components.
        tell: Hears a line whenever a cell or a search has ended, such as `print`.

    Returns:
        How it ended; Ctrl-C ends it as `interrupted`, and running it again goes on from there.

    Raises:
        InputError: the matrix file has problems, a data set cannot be used, or the budget is too small.
        StoreError: the store cannot be reached.
    """
    options = RunOptions(
        matrix=Path(matrix),
        override=assignments(override),
        only=only,
        home=home_of(home),
        device=device,
        workers=workers,
        executor=executor,
        smoke=smoke,
        fail_fast=fail_fast,
        retry=retry,
        cell_timeout=cell_timeout,
        address=address,
        gpu_share=gpu_share,
        rerun_stale=rerun_stale,
        plugins=tuple(map(Path, plugins)),
    )
    return carry_out(options, Lines(tell or (lambda _line: None)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a matrix file is run, see `run`; `override` as PATH=VALUE."""

    matrix: Path
    override: tuple[str, ...]
    only: str | Sequence[str] | None
    home: Path
    device: str
    workers: int | None
    executor: str
    smoke: bool
    fail_fast: bool
    retry: int
    plugins: tuple[Path, ...]
    cell_timeout: float | None = None
    address: str | None = None
    gpu_share: float = 1.0
    rerun_stale: bool = False

    @property
    def cache(self) -> Path:
        """Where data sets are kept, for smoke runs too."""
        return self.home / "cache"

    @property
    def store_home(self) -> Path:
        """The home of the store; smoke runs have one of their own, so that they count for nothing else."""
        return self.home / "smoke" if self.smoke else self.home

    def settings(self, store: Store, workers: Workers) -> RunSettings:
        """Return how cells are run, for the driver."""
        return RunSettings(
            home=store.home,
            device=self.device,
            workers=workers.count,
            packed=workers.packed,
            retry=self.retry,
            fail_fast=self.fail_fast,
            smoke=self.smoke,
            rerun_stale=self.rerun_stale,
            plugins=tuple(folder.absolute() for folder in self.plugins),
            cache=self.cache.absolute(),
            cell_timeout=self.cell_timeout,
            address=self.address,
            gpu_share=self.gpu_share,
        )


class Display(Protocol):
    """Shows a run as it goes."""

    def planned(self, plan: StudyPlan, found: Estimate, remarks: Sequence[str]) -> None:
        """All is checked; cells begin to run next. The remarks are of the data."""

    def cells(self, found: Estimate) -> AbstractContextManager[Watcher]:
        """Show the cells for as long as the context lasts."""

    def search(self, search: TuneContext, workers: Workers) -> AbstractContextManager[TuneWatcher]:
        """Show a search for as long as the context lasts."""

    def searched(self, outcome: TuneOutcome) -> None:
        """A search has ended."""


def carry_out(options: RunOptions, display: Display) -> Finished:
    """Run what is missing or failed, with whoever shows it.

    Raises:
        InputError: the matrix file has problems, a data set cannot be used, or the budget is too small.
        StoreError: the store cannot be reached.
    """
    prepared = _prepare(options)
    plan, store, found = prepared.plan, prepared.store, prepared.estimate
    display.planned(plan, found, prepared.checked)
    settings = options.settings(store, found.workers)
    with display.cells(found) as watcher:
        executor = executor_for(options.executor, settings)
        outcomes = run_plan(found.noted(plan), store, executor, settings, watcher)
    finished = Finished(
        study=plan.study,
        state=_cells_ending(outcomes, options.fail_fast),
        page=None,
        in_file=len(outcomes),
        left_out=0,
        cells=outcomes,
        searches=(),
        summary=None,
        store=store,
        estimate=found,
        remarks=prepared.remarks,
    )
    if finished.state == "interrupted":
        return finished
    workers = workers_of(prepared.searches, options.workers, options.executor, found.workers.devices)
    searches = search(prepared.searches, options, store, workers, display)
    in_file, left = _left_out(options, prepared)
    state = _worst(finished.state, searches_ending(searches), "incomplete" if left else "complete")
    finished = replace(finished, state=state, searches=searches, in_file=in_file, left_out=left)
    if state == "interrupted":
        return finished
    page = report_folder(store, plan.study) / "index.html"
    # of a part of a file: what `harness report` makes of the whole file
    shown = plan_of_file(store, options.matrix, options.plugins) if plan.partial else plan.study
    summary = summary_written(store, shown, is_current=_is_up_to_date(page, store, plan.study))
    return replace(finished, page=page, summary=summary, remarks=prepared.remarks + _undrawn(prepared, options.cache))


def _undrawn(prepared: _Prepared, cache: Path) -> tuple[str, ...]:
    """Return a remark on letters of names and classes that are boxes in pictures, where there are some."""
    plan = prepared.plan
    classes = (each for dataset in plan.datasets for each in class_names(dataset, prepared.catalog, cache))
    letters = undrawn([plan.study, *(planned.name for planned in plan.cells), *classes])
    if not letters:
        return ()
    some = " ".join(letters[:SHOWN]) + (" ..." if len(letters) > SHOWN else "")
    boxes = "boxes in pictures (PNG), but not on the page and in its charts"
    return (f"no font on this machine has {some}, so these are {boxes}; Noto Sans has fonts for all scripts",)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A plan that may be run: checked, within its budget, its store open."""

    plan: StudyPlan
    searches: tuple[TuneContext, ...]
    catalog: Catalog
    store: Store
    estimate: Estimate
    checked: tuple[str, ...]
    """What is to be known of the data before anything is fitted."""
    remarks: tuple[str, ...]


def _prepare(options: RunOptions) -> _Prepared:
    catalog = Catalog(options.plugins)
    study = load_study(options.matrix, catalog, options.override, options.only)
    plan = make_plan(study, catalog, options.cache)
    store = existing_store(options.store_home)
    if store is not None:
        deliver(store)
    found = estimate(
        plan,
        store,
        device=options.device,
        workers=options.workers,
        executor=options.executor,
        stale=options.rerun_stale,
        smoke=options.smoke,
    )
    todo = [each.cell for each in found.todo]
    checked = check_all(todo, catalog, options.cache, may_open=not options.smoke, needs_test=False)
    checked += dark((each.dataset for each in todo), catalog, options.cache)
    checked += known_copies((each.dataset for each in todo), catalog, options.cache)
    checked += check_all((each.start for each in study.tune.values()), catalog, options.cache, may_open=False)
    found = _with_sizes(found, plan, catalog, options.cache)
    left = estimates(study, catalog, store, options.cache, rates=found.rates, smoke=options.smoke)
    searched = sum(each.seconds or 0.0 for each in left)
    refuse_hours(found.seconds + searched / max(1, found.workers.sure), plan.budget.hours)
    store = store or open_store(options.store_home)
    searches = searches_of(study, catalog, store, options.cache, options.smoke)
    remarks = () if options.smoke else remarks_of(study, partial(fitted_on, catalog=catalog, cache=options.cache))
    checked = tuple(dict.fromkeys(checked))
    return _Prepared(plan, searches, catalog, store, found, checked, remarks + checked)


def _with_sizes(found: Estimate, plan: StudyPlan, catalog: Catalog, cache: Path) -> Estimate:
    """Return the estimate with the networks' operations, where they are of use: counting them imports torch."""
    if plan.budget.disk_gb is None and not found.wants_flops:
        return found
    sizes = import_module("harness.cell.sizes").known_sizes(found.todo, catalog, cache)
    if plan.budget.disk_gb is not None:
        refuse_disk(disk_bytes({key: size.parameters for key, size in sizes.items()}, found.todo), plan.budget.disk_gb)
    return replace(found, flops={key: size.flops for key, size in sizes.items()})


def _cells_ending(outcomes: Sequence[Outcome], fail_fast: bool) -> Ending:
    counts = Counter(outcome.state for outcome in outcomes)
    if counts["interrupted"] and not (fail_fast and counts["failed"]):
        return "interrupted"
    if counts["failed"]:
        return "failed"
    return "incomplete" if any(outcome.runs_elsewhere for outcome in outcomes) else "complete"


_SEARCHES: Final[Mapping[str, Ending]] = {
    "done": "complete",
    "skipped": "complete",
    "failed": "failed",
    "interrupted": "interrupted",
    "elsewhere": "incomplete",
}
"""How a search ended -> how the run did, for it."""


def searches_ending(outcomes: Sequence[TuneOutcome]) -> Ending:
    """Return how some searches ended, by the worst of them."""
    return _worst(*(_SEARCHES[each.state] for each in outcomes))


def _worst(*endings: Ending) -> Ending:
    """Return the ending that says most."""
    ordered: tuple[Ending, ...] = ("interrupted", "failed", "incomplete")
    return next((each for each in ordered if each in endings), "complete")


def search(
    searches: Sequence[TuneContext], options: RunOptions, store: Store, workers: Workers, display: Display
) -> tuple[TuneOutcome, ...]:
    """Run searches, with whoever shows them; after one that is interrupted there comes no other.

    Raises:
        InputError: a search cannot go on as the file asks.
        StoreError: a store cannot be reached.
    """
    outcomes = []
    settings = options.settings(store, workers)
    for outcome in run_searches(searches, settings, options.executor, lambda each: display.search(each, workers)):
        display.searched(outcome)
        outcomes.append(outcome)
    return tuple(outcomes)


def _left_out(options: RunOptions, prepared: _Prepared) -> tuple[int, int]:
    """Return how many cells the file has, and how many of them `only` left out that are not done."""
    if not prepared.plan.partial:
        return len(prepared.plan.cells), 0
    whole = load_study(options.matrix, prepared.catalog, options.override)
    standing = states(make_plan(whole, prepared.catalog, options.cache), prepared.store)
    return len(standing), sum(state.state not in {"done", "stale"} for state in standing)


def _is_up_to_date(page: Path, store: Store, study: str) -> bool:
    """Whether a report was written after the last run of its study had ended, that of another plan included."""
    newest = max((record.end or math.inf for record in store.records(study)), default=0.0)
    return page.exists() and page.stat().st_mtime > newest


class Lines:
    """Shows a run as a line for each cell and search that has ended, in a notebook say."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell

    def planned(self, plan: StudyPlan, found: Estimate, remarks: Sequence[str]) -> None:
        """Say how much there is to do."""
        self._tell(f"{plan.study}: {amount(len(found.todo), 'cell')} of {len(plan.cells)} to run")
        for line in found.deletions:
            self._tell(line)
        for remark in remarks:
            self._tell(f"Warning: {remark}")

    @contextmanager
    def cells(self, found: Estimate) -> Iterator[Watcher]:
        """Show the cells that are to be run."""
        yield _LineWatcher(self._tell)

    @contextmanager
    def search(self, search: TuneContext, workers: Workers) -> Iterator[TuneWatcher]:
        """Show the trials of a search."""
        yield _LineWatcher(self._tell)

    def searched(self, outcome: TuneOutcome) -> None:
        """Say how a search ended."""
        found = outcome.tuning
        won = f"trial {found.winner} of {len(found.trials)} won" if outcome.state in {"done", "skipped"} else ""
        self._tell(f"{outcome.name}: {outcome.message or won or outcome.state}")


class _LineWatcher(SilentWatcher):
    """Says how a cell ended that ran."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell

    def ended(self, outcome: Outcome) -> None:
        """Say how a cell ended, unless it was done before."""
        if outcome.state == "skipped":
            return
        shown = (name for name in (VAL_ACCURACY, TEST_ACCURACY) if name in outcome.metrics)
        figures = ", ".join(f"{name} {metric_text(name, outcome.metrics[name])}" for name in shown)
        said = figures or outcome.message
        self._tell(f"{outcome.planned.name}: {outcome.state}{f', {said}' if said else ''}, {duration(outcome.seconds)}")

    def study_begins(self, name: str, tune: Tune, done: int, budget: int) -> None:
        """Say nothing: its trials will."""

    def trial_told(self, name: str, found: TrialFound, best: TrialFound | None) -> None:
        """Say nothing: its cells did."""

    def stage_begins(self, name: str, text: str, fits: int) -> None:
        """Say what comes next."""
        self._tell(f"{name}: {text}")
