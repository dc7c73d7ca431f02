"""A tuning study as the matrix file asks for it: validated here, run by `harness.tune`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue

from harness.contracts.cell import Cell, Frozen, Positive
from harness.contracts.metrics import VAL_ACCURACY

Direction: TypeAlias = Literal["maximize", "minimize"]
Sampler: TypeAlias = Literal["random", "grid", "tpe", "gp", "cmaes", "qmc"]
Pruner: TypeAlias = Literal["none", "median", "hyperband", "successive_halving", "patient"]


class Goal(Frozen):
    """A metric and which way is better."""

    metric: str = VAL_ACCURACY
    direction: Direction = "maximize"


class Objective(Frozen):
    """What a trial is judged by: means over the first `seeds` seeds of the experiment.

    The first goal is a validation metric; it alone says who wins. Further goals (validation metrics
    or costs) make the search one of several objectives, with a Pareto front.
    """

    goals: Annotated[tuple[Goal, ...], Field(min_length=1)] = (Goal(),)
    seeds: Positive = 1

    @property
    def first(self) -> Goal:
        """The goal that decides."""
        return self.goals[0]


class Range(Frozen):
    """Numbers from `low` to `high`, both included, evenly or on a log scale, in steps if given."""

    low: float
    """The smallest value."""
    high: float
    """The largest value."""
    log: bool = False
    """Whether values are drawn evenly on a logarithmic scale."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Distance between neighbouring values; null for any value between."""
    int: bool = False
    """Whole numbers only; set as well where the path takes nothing else."""
    when: Mapping[str, JsonValue] = {}
    """Other dimensions and the values at which alone this one exists."""


class Choices(Frozen):
    """One of some values, each as the path takes it in a matrix file."""

    choices: tuple[JsonValue, ...]
    """The values to choose from, in place of `low` and `high`."""
    when: Mapping[str, JsonValue] = {}
    """Other dimensions and the values at which alone this one exists."""


class Confirm(Frozen):
    """The best `top` again on fresh seeds, still on validation; the best mean wins."""

    top: Positive = 3
    seeds: tuple[int, ...]


class FinalFit(Frozen):
    """How the winner is fitted before the one test opening."""

    train_on: Literal["train", "train+val"] = "train"
    """`train+val` fits the winner on the validation images too."""


class Tune(Frozen):
    """One entry of `tune:`; `start` is the experiment's settings (seed 0), from which each trial departs."""

    start: Cell
    seeds: tuple[int, ...]
    """The experiment's seeds; trials use the first `objective.seeds` of them."""
    trials: Positive
    timeout: float | None = None
    """Seconds after which no new trial starts."""
    objective: Objective = Objective()
    sampler: Sampler = "tpe"
    pruner: Pruner = "none"
    space: Mapping[str, Range | Choices]
    """Path -> dimension, in file order."""
    constraints: Mapping[str, float] = {}
    """Cost (`model/parameters`, `time/train_seconds` ...) -> the most that a winner may have of it."""
    confirm: Confirm | None = None
    final: FinalFit = FinalFit()
