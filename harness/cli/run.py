"""`harness run`: what `harness.run` does, shown as it goes on stderr, and on stdout what it comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from shlex import quote
from typing import Final

from harness.api.run import Ending, Finished, RunOptions, carry_out
from harness.cli.console import messages, print_json, say, shown_path, warn
from harness.cli.options import HOME, Run, Work
from harness.cli.progress import watching
from harness.cli.report import print_summary
from harness.cli.run_progress import RunProgress
from harness.cli.tune_progress import watching_study
from harness.contracts import Outcome, StudyPlan, Watcher
from harness.errors import InputError
from harness.execute.estimate import Estimate, Workers
from harness.execute.executor import warnings_heard
from harness.interrupts import INTERRUPTED
from harness.track.runs import CHANGED
from harness.tune.context import TuneContext
from harness.tune.study import TuneOutcome, TuneWatcher
from harness.words import amount, seconds_in

EXIT_CODES: Final[dict[Ending, int]] = {"complete": 0, "failed": 1, "incomplete": 3, "interrupted": INTERRUPTED}


def perform(asked: Run) -> int:
    """Run what is missing or failed and return the exit code.

    Raises:
        InputError: the matrix file has problems, a data set cannot be used, or the budget is too small.
        StoreError: the store cannot be reached.
    """
    with warnings_heard() as heard:
        try:
            return _perform(asked)
        finally:
            for text in heard:
                say(f"warning: {text}")


def _perform(asked: Run) -> int:
    finished = carry_out(options_of(asked, rerun_stale=asked.stale), Terminal(asked.verbosity))
    if finished.state == "interrupted" and not finished.searches:
        done = sum(outcome.state in {"finished", "skipped"} for outcome in finished.cells)
        say(f"interrupted: {done} of {len(finished.cells)} cells are done; to go on, run the same command again")
        return INTERRUPTED
    if asked.verbosity > 0:
        _tell_tracebacks(finished)
    if finished.summary is not None:
        _tell_results(asked, finished)
    for line in _remarks(asked, finished):
        say(line)
    warn(finished.remarks)
    return EXIT_CODES[finished.state]


def options_of(asked: Work, *, rerun_stale: bool = False) -> RunOptions:
    """Return how the file is run, without how that is shown.

    Raises:
        InputError: `--cell-timeout` is no duration.
    """
    return RunOptions(
        matrix=asked.matrix,
        override=asked.override,
        only=asked.only,
        home=asked.home,
        device=asked.device,
        workers=asked.workers,
        executor=asked.executor,
        smoke=asked.smoke,
        fail_fast=asked.fail_fast,
        retry=asked.retry,
        cell_timeout=_cell_timeout(asked.cell_timeout),
        address=asked.address,
        gpu_share=asked.gpu_share,
        rerun_stale=rerun_stale,
        plugins=asked.plugins,
    )


def _cell_timeout(text: str | None) -> float | None:
    try:
        seconds = None if text is None else seconds_in(text)
    except ValueError as error:
        raise InputError(f"--cell-timeout {error}") from None
    if seconds == 0:
        raise InputError(f"--cell-timeout {text} leaves a cell no time")
    return seconds


class Terminal:
    """Shows a run on stderr; `verbosity` as in `watching`."""

    def __init__(self, verbosity: int) -> None:
        self._verbosity = verbosity

    def planned(self, plan: StudyPlan, found: Estimate, remarks: Sequence[str]) -> None:
        """Say what there is to do."""
        if self._verbosity < 0:
            return
        counts = Counter(state.state for state in found.states)
        if not found.todo and not counts["running"]:
            say(f"nothing to do: all {len(plan.cells)} cells are done")
        else:
            before = f", {counts['done']} of {len(plan.cells)} are done already" if counts["done"] else ""
            shared = len(found.todo) - len(found.fits)
            kept = f", {shared} of them without a fit: a model that fits alike is taken" if shared else ""
            say(f"{plan.study}: {amount(len(found.todo), 'cell')} to run with {found.workers.text}{before}{kept}")
            _tell_changed(found)
        warn(remarks)

        warn(found.deletions)

    def cells(self, found: Estimate) -> AbstractContextManager[Watcher]:
        """Show the cells for as long as the context lasts."""
        progress = RunProgress(found.todo, found.rates, found.workers, found.flops)
        return watching(progress, messages(), self._verbosity)

    def search(self, search: TuneContext, workers: Workers) -> AbstractContextManager[TuneWatcher]:
        """Show a search for as long as the context lasts."""
        return watching_study(search.tune, workers, messages(), self._verbosity)

    def searched(self, outcome: TuneOutcome) -> None:
        """Say how a search ended."""
        if self._verbosity < 0 and outcome.state != "failed":
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


def _tell_changed(found: Estimate) -> None:
    """Name the cells whose test files have changed since they were opened."""
    names = [state.planned.name for state in found.states if state.reason == CHANGED]
    if names:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        say(f"{names[0]}{more}: {CHANGED}")


def _tell_tracebacks(finished: Finished) -> None:
    """Print the tracebacks of failed cells; why each failed has been told as it did."""
    for outcome in finished.cells:
        if outcome.state == "failed":
            path = finished.store.artifact(outcome.run_id, "traceback.txt") if outcome.run_id else None
            say(f"{outcome.planned.name}\n{path.read_text() if path else outcome.message}")


def _tell_results(asked: Run, finished: Finished) -> None:
    assert finished.summary is not None and finished.page is not None
    found = finished.summary
    if asked.json:
        cells, tune = [_as_json(each) for each in finished.cells], [search_as_json(each) for each in finished.searches]
        ending = {
            "headline": found.headline,
            "next_steps": found.next_steps,
            "warnings": [*found.warnings, *finished.remarks],
        }
        told = {"study": finished.study, "exit_code": EXIT_CODES[finished.state], "report": str(finished.page.parent)}
        print_json({**told, **ending, "cells": cells, "tune": tune})
        return
    print_summary(found)
    if asked.verbosity >= 0:
        say(f"report:  {shown_path(finished.page)}")
        home = "" if asked.store_home == HOME else f" --home {quote(str(asked.store_home))}"
        say(f"runs:    harness ui{home}")


def _remarks(asked: Run, finished: Finished) -> tuple[str, ...]:
    """Return what is to be done about cells that have no figures, or old ones."""
    failed = sum(outcome.state == "failed" for outcome in finished.cells)
    stale = sum(state.state == "stale" for state in finished.estimate.states)
    elsewhere = [outcome.message for outcome in finished.cells if outcome.runs_elsewhere]
    lines = []
    if elsewhere:
        many = f"{amount(len(elsewhere), 'cell')} {'is' if len(elsewhere) == 1 else 'are'} left to another process"
        lines.append(f"{many} ({elsewhere[0]}) and not waited for; run the same command again when it has ended")
    if failed:
        lines.append(
            f"{failed} of {amount(len(finished.cells), 'cell')} failed; run the same command again to try them again"
        )
    if stale and not asked.stale and asked.verbosity >= 0:
        cells = f"{amount(stale, 'cell')} {'is' if stale == 1 else 'are'} stale"
        lines.append(f"{cells} (their component's source has changed since): --rerun stale redoes them")
    if finished.left_out:
        lines.append(f"{finished.left_out} of the {finished.in_file} cells of {asked.matrix} are not done (--only)")
    return tuple(lines)


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


def search_as_json(outcome: TuneOutcome) -> dict[str, object]:
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
        "final_keys": [each.key for each in found.finals],
        "final_metrics": dict(outcome.final.metrics) if outcome.final else {},
    }
