"""What a tuning study has found, as one value: logged as `tuning.json` with its run, read by the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from harness.contracts.cell import Frozen
from harness.contracts.study import PlannedCell
from harness.contracts.tuning import Tune

TUNING_FILE = "tuning.json"
"""The artifact of a kind=study run that holds a `Tuning`."""
BEST_FILE = "best.yaml"
"""The artifact that is a matrix file of the winner."""

TrialState = Literal["complete", "pruned", "failed", "running"]
Stage = Literal["search", "confirm", "final", "done"]


class TrialFound(Frozen):
    """One trial: a point of the space, and what came of it."""

    number: int
    state: TrialState
    params: Mapping[str, JsonValue]
    """Path -> value as a matrix file takes it; only the dimensions that exist at this point."""
    values: tuple[float, ...] = ()
    """One mean over seeds for each goal; empty unless complete."""
    costs: Mapping[str, float] = {}
    """Constrained metrics -> mean over seeds."""
    epochs: Mapping[int, float] = {}
    """Epoch (from 1) -> the first goal's metric, of the first seed; what the pruner saw."""
    seconds: float = 0.0
    """Of fitting, all seeds together; 0 for a duplicate, which costs nothing."""
    start: str = ""
    """UTC in ISO 8601."""
    is_feasible: bool = True
    """Whether all constraints hold."""
    duplicate_of: int | None = None
    """The earlier trial with the same settings, whose runs are used again."""
    outside: tuple[str, ...] = ()
    """Trial 0 alone: paths whose own value in the experiment lies outside of the space."""
    run_ids: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """Its cells' keys, one a seed; same keys, same trial."""
    note: str = ""
    """Why it failed, or at which epoch it was pruned."""


class Confirmation(Frozen):
    """One of the best trials again on fresh seeds: the first goal's metric on validation."""

    trial: int
    values: tuple[float, ...]
    """One a seed of `confirm.seeds`, in their order; fewer where a run failed."""
    mean: float | None
    standard_error: float | None
    """Standard deviation (n - 1) over the square root of n; None for fewer than two."""
    run_ids: tuple[str, ...] = ()


class Importances(Frozen):
    """How much of the first goal's variance each dimension explains; shares that sum to 1."""

    evaluator: str
    """`PED-ANOVA` or `fANOVA`: their rankings can differ."""
    shares: Mapping[str, float]
    """Path -> share, the largest first."""


class Tuning(Frozen):
    """A tuning study as far as it has come."""

    study: str
    experiment: str
    tune: Tune
    stage: Stage
    trials: tuple[TrialFound, ...]
    confirmed: tuple[Confirmation, ...] = ()
    winner: int | None = None
    """The chosen trial's number, fixed before the test set is opened."""
    winner_time: str = ""
    """When it was fixed; UTC in ISO 8601."""
    importances: tuple[Importances, ...] = ()
    seconds: float = 0.0
    """Wall-clock time of search and confirmation, over all sessions."""
    retried: int = 0
    """Trials told failed and tried again because their worker had died."""
    final: PlannedCell | None = None
    """The winner's cell of the experiment's first seed, which opens the test set."""
    other_finals: tuple[PlannedCell, ...] = ()
    """Those of the experiment's other seeds; searches of earlier versions have none."""

    @property
    def finals(self) -> tuple[PlannedCell, ...]:
        """The winner's cells, one a seed, each of which opens the test set once; empty without a winner."""
        return () if self.final is None else (self.final, *self.other_finals)

    @property
    def start(self) -> TrialFound | None:
        """Trial 0, the experiment's own settings."""
        return next((each for each in self.trials if each.number == 0), None)

    @property
    def favorite(self) -> TrialFound | None:
        """The search's own winner, by its scores alone; None without a confirmation."""
        again = {each.trial for each in self.confirmed}
        sign = 1 if self.tune.objective.first.direction == "maximize" else -1
        able = [each for each in self.trials if each.number in again and each.values]
        return max(able, key=lambda each: (sign * each.values[0], -each.number), default=None)

    @property
    def optimism(self) -> float | None:
        """The search's own winner's score minus its mean on fresh seeds; None without a confirmation.

        Of that trial, not of the one that won: the one with the best mean on fresh seeds was chosen by that mean, so
        that the same difference of it says nothing.
        """
        favorite = self.favorite
        mean = next((each.mean for each in self.confirmed if favorite and each.trial == favorite.number), None)
        return None if favorite is None or mean is None else favorite.values[0] - mean
