"""Who watches a tuning study come along."""

from __future__ import annotations

from typing import Protocol

from harness.contracts import TrialFound, Tune, Watcher


class TuneWatcher(Watcher, Protocol):
    """Shows a tuning study as it goes, beside the cells that run."""

    def study_begins(self, name: str, tune: Tune, done: int, budget: int) -> None:
        """A study begins or goes on: `done` of `budget` trials were there already."""

    def trial_told(self, name: str, found: TrialFound, best: TrialFound | None) -> None:
        """A trial has ended; `best` is the best so far."""

    def stage_begins(self, name: str, text: str, fits: int) -> None:
        """The confirmation or the final fit begins; `text` says what of, `fits` how many there are still to be."""
