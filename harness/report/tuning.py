"""The tuning studies that the store holds: what each has found, and the winner's cell among the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.contracts import PlannedCell, Tuning
from harness.contracts.tuned import BEST_FILE, TUNING_FILE
from harness.measure.tuning_pictures import PICTURES
from harness.report.records import ReportStore, RunRecord


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuning study, the run that it is logged with, and its `best.yaml` (empty while there is no winner)."""

    tuning: Tuning
    run_id: str
    best: str
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """The PNG files that were logged with it, by their names."""


def tuned_experiments(records: Iterable[RunRecord], store: ReportStore) -> tuple[Tuned, ...]:
    """Return the newest tuning study of each experiment, of a study's runs (oldest first)."""
    newest: dict[str, Tuned] = {}
    for record in records:
        found = _tuned(record, store) if record.kind == "study" else None
        if found is not None:
            newest[found.tuning.experiment] = found
    return tuple(newest.values())


def with_finals(cells: Sequence[PlannedCell], tuned: Iterable[Tuned]) -> tuple[PlannedCell, ...]:
    """Return the planned cells and after them the winners'; a winner that is planned anyway is shown in both places."""
    found = {planned.key: planned for planned in cells}
    for final in (each.tuning.final for each in tuned if each.tuning.final is not None):
        known = found.get(final.key)
        places = (*known.places, *final.places) if known else final.places
        found[final.key] = (known or final).model_copy(update={"places": places})
    return tuple(found.values())


def _tuned(record: RunRecord, store: ReportStore) -> Tuned | None:
    path, best = (store.artifact(record.run_id, name) for name in (TUNING_FILE, BEST_FILE))
    if path is None:
        return None
    tuning = Tuning.model_validate_json(path.read_text(encoding="utf-8"))
    text = best.read_text(encoding="utf-8") if best is not None else ""
    return Tuned(tuning, record.run_id, text, dict(_pictures(record, store)))


def _pictures(record: RunRecord, store: ReportStore) -> Iterator[tuple[str, bytes]]:
    for name in PICTURES:
        path = store.artifact(record.run_id, name)
        if path is not None:
            yield name, path.read_bytes()
