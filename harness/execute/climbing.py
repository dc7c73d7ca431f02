"""How many cells run side by side on one GPU: one more for as long as that is measured to pay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from harness.contracts import Cell
from harness.spec import flatten

GAIN: Final = 1.1
"""By how much one cell more must raise the work done per second."""
ENOUGH_SECONDS: Final = 2.0
"""Of whole epochs, before a pace is believed."""
_ALIKE: Final = ("dataset.", "model.", "recipe.batch_size", "recipe.precision", "recipe.augment", "recipe.ema")

Kind = tuple[tuple[str, object], ...]
"""What cells share that take the same time an epoch and the same memory."""


def kind_of(cell: Cell, parts: int = 1) -> Kind:
    """Return the kind of a cell whose batches are taken in so many micro-batches."""
    alike = ((name, value) for name, value in flatten(cell).items() if name.startswith(_ALIKE))
    return (("parts", parts), *alike)


@dataclass(slots=True)
class Pace:
    """Epochs of a kind of cell beside a number of others, and the time that they took."""

    epochs: int = 0
    seconds: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether enough was measured."""
        return self.seconds >= ENOUGH_SECONDS

    @property
    def rate(self) -> float:
        """Epochs a second."""
        return self.epochs / self.seconds


@dataclass(slots=True)
class Climb:
    """The level of one GPU: how many cells may run side by side there, at most `most`.

    A level is tried when the one below it has been measured. Those cells judge it whose kind was measured at both:
    the mean of their paces, after over before, times the number of cells, after over before, is what the work done
    per second has grown by, if the newcomer is slowed as much as they are. So no pace is compared across models.
    One cell too many costs little, for a full GPU shares itself out; one too few costs its share. So where nobody
    can judge the level it is left as it is, and the next one is tried.
    """

    most: int
    level: int = 1
    _limits: dict[Kind, int] = field(default_factory=dict)
    """How many cells may run where one of them is of this kind: one less than was too many."""
    _paces: dict[tuple[Kind, int], Pace] = field(default_factory=dict)

    def allowed(self, kinds: Sequence[Kind]) -> int:
        """Return how many cells may run side by side if they are of these kinds."""
        return min(self.level, self.most, *(self._limits.get(kind, self.most) for kind in kinds))

    def hear(self, kind: Kind, kinds: Sequence[Kind], seconds: float) -> None:
        """Note an epoch of a cell of `kind` during which cells of `kinds` ran, itself among them; judge the level."""
        pace = self._paces.setdefault((kind, len(kinds)), Pace())
        pace.epochs, pace.seconds = pace.epochs + 1, pace.seconds + seconds
        if len(kinds) != self.level:
            return
        gain = self._gain(kinds)
        if gain is not None and gain >= GAIN:
            self.level += 1
        elif gain is not None:
            self.give_up(kinds)

    def give_up(self, kinds: Sequence[Kind]) -> None:
        """Go back by one: so many cells of these kinds never run side by side again."""
        limit = max(1, len(kinds) - 1)
        for kind in kinds:
            self._limits[kind] = min(limit, self._limits.get(kind, limit))
        self.level = min(self.level, limit)

    def _gain(self, kinds: Sequence[Kind]) -> float | None:
        """Return the work done per second over that with one cell less; None until it has been measured.

        Infinite where none of them was measured with one less: the first cell, and where kinds have changed.
        """
        number = len(kinds)
        judges = [kind for kind in kinds if self._pace(kind, number - 1).is_known]
        if not all(self._pace(kind, number).is_known for kind in judges or kinds):
            return None
        if not judges:
            return math.inf
        slowed = fmean(self._pace(kind, number).rate / self._pace(kind, number - 1).rate for kind in judges)
        return slowed * number / (number - 1)

    def _pace(self, kind: Kind, number: int) -> Pace:
        return self._paces.get((kind, number), Pace())
