"""Groups of models that cannot be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def tiers(differ: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the tier of each model, from 1, for models in order of merit and `differ` bool [V, V] (symmetric).

    From the top down, a model joins the tier above it unless it differs from one of its members; then it opens
    the next. So no two of a tier differ, and the first of a tier differs from one of the tier above. Being
    indistinguishable is not transitive, so two models of different tiers need not differ: the pairs say it.

    >>> import numpy as np
    >>> tiers(np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool))
    (1, 1, 2)
    """
    found: list[int] = []
    members: list[int] = []
    for model in range(len(differ)):
        if differ[model, members].any():
            members = []
        found.append(found[-1] + (not members) if found else 1)
        members.append(model)
    return tuple(found)
