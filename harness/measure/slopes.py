"""How fast validation accuracy still rises at the end of a fit, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_EPOCHS: Final = 5
"""Fewer leave nothing to tell a trend from the first epochs' steep rise."""
WINDOW_SHARE: Final = 0.2
WINDOW: Final = (4, 10)
"""The last fifth of the epochs, 4 to 10: a line through 4 points leaves 2 degrees of freedom for its error."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Rise of validation accuracy an epoch over the last `epochs`, with the half width of its 95 % interval; shares."""

    rise: float
    half_width: float
    epochs: int

    @property
    def gain(self) -> float:
        """What as many epochs again would gain if it went on."""
        return self.rise * self.epochs

    @property
    def course(self) -> Literal["rising", "flat", "falling"]:
        """Its sign where that is beyond its uncertainty."""
        if abs(self.rise) <= self.half_width:
            return "flat"
        return "rising" if self.rise > 0 else "falling"


def slope_of(lines: Sequence[NDArray[np.float64]]) -> Slope | None:
    """Fit parallel lines (one intercept a seed, one slope) to the last epochs of each seed by least squares.

    The interval takes epochs as independent, Student's t with (points - seeds - 1) degrees of freedom. None where
    a line is too short or not finite.
    """
    if not lines or min(map(len, lines)) < FEWEST_EPOCHS:
        return None
    epochs = window(min(map(len, lines)))
    values_seen = np.array([line[-epochs:] for line in lines])
    if not np.isfinite(values_seen).all():
        return None
    time = np.arange(epochs) - (epochs - 1) / 2
    spread = len(lines) * float(time @ time)
    rise = float((values_seen @ time).sum() / spread)
    rest = values_seen - values_seen.mean(axis=1, keepdims=True) - rise * time
    freedom = values_seen.size - len(lines) - 1
    error = math.sqrt(float((rest**2).sum()) / freedom / spread)
    return Slope(rise, float(special.stdtrit(freedom, 0.975)) * error, epochs)


def window(epochs: int) -> int:
    """Return how many of the last epochs are looked at.

    >>> [window(epochs) for epochs in (5, 15, 40, 200)]
    [4, 4, 8, 10]
    """
    return int(np.clip(math.ceil(epochs * WINDOW_SHARE), *WINDOW))
