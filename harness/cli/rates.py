"""How long a cell takes, guessed from cells like it that are finished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Final

from harness.contracts import Cell
from harness.contracts.metrics import TOTAL_SECONDS
from harness.matrix import flatten
from harness.track import Record
from harness.track.runs import text_of

_Likeness = tuple[tuple[str, str], ...]
_NEAR: Final = ("dataset.", "model.", "recipe.batch_size")
_FAR: Final = ("dataset.", "model.name")
"""Which parameters two cells must share to take about the same time an epoch: closely, and at least."""


class Rates:
    """Seconds an epoch of the cells seen so far; a cell without a recipe counts as one epoch."""

    def __init__(self) -> None:
        self._seen: defaultdict[_Likeness, list[float]] = defaultdict(list)

    def add(self, cell: Cell, seconds: float) -> None:
        """Remember that the whole of a cell took this long."""
        self._add(_params(cell), seconds)

    def add_record(self, record: Record) -> None:
        """Remember a finished cell of the store."""
        if TOTAL_SECONDS in record.metrics:
            self._add(record.params, record.metrics[TOTAL_SECONDS])

    def guess(self, cell: Cell) -> float | None:
        """Return the seconds that the whole cell will take, or None when nothing like it was seen."""
        params = _params(cell)
        for paths in (_NEAR, _FAR):
            seen = self._seen.get(_likeness(params, paths))
            if seen:
                return fmean(seen) * epochs_of(cell)
        return None

    def _add(self, params: Mapping[str, str], seconds: float) -> None:
        rate = seconds / int(params.get("recipe.epochs", "1"))
        for paths in (_NEAR, _FAR):
            self._seen[_likeness(params, paths)].append(rate)


def rates_of(records: Iterable[Record], device: str) -> Rates:
    """Return what finished cells tell of the time on `device` (cpu, cuda or cuda:N)."""
    rates = Rates()
    for record in records:
        kind = record.tags.get("harness.device", "").partition(":")[0]
        if record.kind in {"cell", "trial"} and record.status == "FINISHED" and kind == device.partition(":")[0]:
            rates.add_record(record)
    return rates


def epochs_of(cell: Cell) -> int:
    """Return how many epochs a cell trains for; 1 for a model that fits itself."""
    return cell.recipe.epochs if cell.recipe else 1


def _params(cell: Cell) -> dict[str, str]:
    return {name: text_of(value) for name, value in flatten(cell).items()}


def _likeness(params: Mapping[str, str], paths: tuple[str, ...]) -> _Likeness:
    chosen = {name: value for name, value in params.items() if name.startswith(paths)}
    chosen.pop("dataset.validation.seed", None)
    return tuple(sorted(chosen.items()))
