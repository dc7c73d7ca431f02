"""Times on a logarithmic axis: which of them are round."""

from __future__ import annotations

from typing import Final

SHORTEST: Final = 1e-3
"""Seconds: what the logarithmic scale shows of a fit that takes no time at all."""
SECONDS: Final = (SHORTEST, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 360_000)
FINE: Final = tuple(
    step * unit
    for unit, steps in (
        (0.001, (1, 2, 5, 10, 20, 50, 100, 200, 500)),
        (1, (1, 2, 3, 5, 7, 10, 20, 30)),
        (60, (1, 2, 5, 10, 20, 30)),
        (3600, (1, 2, 5, 10, 24, 48, 120)),
    )
    for step in steps
)


def round_times(early: float, late: float) -> tuple[float, ...]:
    """Return round times within a range, at least three; its ends where it is too short for that.

    >>> round_times(4.0, 2600.0), round_times(2.0, 7.5), round_times(2.5, 3.0)
    ((10, 60, 600), (2, 3, 5), (2.5, 3.0))
    """
    for choice in (SECONDS, FINE):
        seen = tuple(seconds for seconds in choice if early <= seconds <= late)
        if len(seen) > 2:
            return seen
    return early, late
