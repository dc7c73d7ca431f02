"""Which of several offers no other one beats in both price and quality."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], values: Sequence[float]) -> tuple[int, ...]:
    """Return the places of the points that none dominates, the cheapest first.

    A point dominates another that costs no less and is worth no more, one of them strictly. Points that are
    equal in both are on the front together.

    >>> pareto_front([1.0, 2.0, 3.0, 2.5], [0.5, 0.7, 0.9, 0.6])
    (0, 1, 2)
    """
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -values[place]))
    front: list[int] = []
    for place in order:
        best = front[-1] if front else None
        is_better = best is None or values[place] > values[best]
        is_equal = best is not None and (costs[place], values[place]) == (costs[best], values[best])
        if is_better or is_equal:
            front.append(place)
    return tuple(front)
