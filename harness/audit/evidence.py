"""What the audit looks at, read once from the store and the report's folder, and what a check finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from harness.contracts import Opening, PlannedCell, StudyPlan
from harness.contracts.study import PLAN_FILE
from harness.contracts.tuned import TUNING_FILE
from harness.errors import InputError, StoreError
from harness.report.store import Findings, Tuned, gather, with_finals
from harness.seeds import file_digest, text_digest
from harness.track import Record, Store
from harness.track.copies import RUN_ID, origin_of
from harness.track.journal import Entry, opening_in, places_of
from harness.track.ledger import look_of
from harness.track.runs import standing_of


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, or that could not be checked."""

    where: str
    """The cell, file, data set or search."""
    what: str
    run_id: str = ""
    is_fault: bool = True
    """Whether the audit fails of it; if not, it is to be known all the same."""


def remark(where: str, what: str, run_id: str = "") -> Finding:
    """Return a finding that the audit does not fail of."""
    return Finding(where, what, run_id, is_fault=False)


def not_recorded(names: Sequence[str], what: str) -> tuple[Finding, ...]:
    """Return one remark on all runs that an earlier version logged without something; none if there are none."""
    if not names:
        return ()
    others = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return (remark(f"{names[0]}{others}", f"not recorded: {what}, by the version that ran it"),)


@dataclass(frozen=True)
class Evidence:
    """A study in its store.

    `records` are all runs of the study, whatever they are for; `runs` those that fit a model (kind cell or trial), made
    for the study or for a cell that is planned in it, oldest first. `openings` are the ledger's lines for all of these,
    and all that the study is named in.
    """

    store: Store
    report_folder: Path
    findings: Findings
    planned: tuple[PlannedCell, ...]
    """The plan's cells, and the winners of its searches."""
    tuned: tuple[Tuned, ...]
    records: tuple[Record, ...]
    runs: tuple[Record, ...]
    openings: tuple[Opening, ...]
    _folders: dict[str, Path | None] = field(default_factory=dict, repr=False)

    @property
    def plan(self) -> StudyPlan:
        """The study's newest whole plan."""
        return self.findings.plan

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """What the journal says of this study, by number: entries that name it, one of its cells or one of its runs."""
        study, keys = self.plan.study, {*self.by_key, *(each.key for each in self.planned)}
        return tuple(
            entry
            for entry in self.findings.journal
            if entry.study == study or entry.key in keys or self.run_of(entry.run_id) is not None
        )

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        return places_of(self.findings.journal)

    def is_before(self, entry: Entry, other: Entry) -> bool | None:
        """Whether an entry of the journal was written before another; None if their order is not known."""
        one, two = self._places.get(entry.digest), self._places.get(other.digest)
        return None if one is None or two is None or one[0] != two[0] else one[1] < two[1]

    @cached_property
    def _by_any_id(self) -> dict[str, Record]:
        every = (*self.records, *self.runs)
        return {origin_of(run): run for run in every} | {run.run_id: run for run in every}

    def run_of(self, run_id: str) -> Record | None:
        """Return the run of an id that was written down: a run that was merged has another one here."""
        return self._by_any_id.get(run_id)

    def entry_of(self, opening: Opening) -> Entry | None:
        """Return the first entry of the journal about an opening of the ledger, None where there is none."""
        return next(iter(self.opened.get(look_of(opening), ())), None)

    @cached_property
    def opened(self) -> dict[tuple[str, ...], tuple[Entry, ...]]:
        """The journal's openings of the study's cells, by what looked at what (`look_of`)."""
        found: dict[tuple[str, ...], list[Entry]] = {}
        for entry in self.entries:
            if entry.kind == "opening":
                found.setdefault(look_of(opening_in(entry)), []).append(entry)
        return {which: tuple(entries) for which, entries in found.items()}

    @cached_property
    def ends(self) -> dict[str, tuple[Entry, ...]]:
        """What the journal says of how runs ended, by the key of their cell."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry.kind == "ending":
                found.setdefault(entry.key, []).append(entry)
        return {key: tuple(entries) for key, entries in found.items()}

    @cached_property
    def by_id(self) -> dict[str, Record]:
        """The runs by run id."""
        return {run.run_id: run for run in self.runs}

    @cached_property
    def by_key(self) -> dict[str, tuple[Record, ...]]:
        """The runs of each cell, oldest first."""
        found: dict[str, list[Record]] = {}
        for run in self.runs:
            found.setdefault(run.key, []).append(run)
        return {key: tuple(runs) for key, runs in found.items()}

    @cached_property
    def shown(self) -> tuple[Record, ...]:
        """The finished runs that figures of the report come from: one a planned cell, and those of searches."""
        cells = [standing_of(each, self.by_key.get(each.key, ())).finished for each in self.planned]
        listed = [run_id for tuned in self.tuned for run_id in run_ids_of(tuned)]
        trials = [self.by_id.get(run_id) for run_id in listed]
        found = {run.run_id: run for run in (*cells, *trials) if run is not None and run.status == "FINISHED"}
        return tuple(found.values())

    def name(self, key: str) -> str:
        """Return what a cell is called: in the plan, else by its newest run, else its key."""
        runs = self.by_key.get(key, ())
        return self._planned_names.get(key) or (runs[-1].name if runs else f"cell {key}")

    @cached_property
    def _planned_names(self) -> dict[str, str]:
        return {each.key: each.name for each in self.planned}

    def name_of(self, opening: Opening) -> str:
        """Return what the cell of an opening is called; those that differ in their test set alone share a key."""
        planned = next((each.name for each in self.planned if opening.is_of(each)), None)
        run = self.by_id.get(opening.run_id)
        return planned or (run.name if run is not None else self.name(opening.key))

    def folder(self, run_id: str) -> Path | None:
        """Return the folder of a run's artifacts, None if it has none."""
        if run_id not in self._folders:
            self._folders[run_id] = self.store.artifact(run_id, "")
        return self._folders[run_id]


def gather_evidence(store: Store, asked: str | StudyPlan, report_folder: Path) -> Evidence:
    """Read a study, with nothing taken for granted that was fetched from a server before.

    Args:
        store: Where it was run.
        asked: Its name, for the plan that was logged last; or a plan, what a file asks for now.
        report_folder: Where its report is.

    Raises:
        InputError: the study was never run in this store.
        StoreError: the store cannot be read.
    """
    store = store.anew()
    try:
        if isinstance(asked, str) and store.plan(asked) is None:
            raise InputError(f'study "{asked}" was never run in this store: there is nothing to audit')
        findings = gather(store, asked)
        study = findings.plan.study
        records, tuned = store.records(study), findings.tuned
    except ValidationError as error:
        name = asked if isinstance(asked, str) else asked.study
        raise StoreError(f'study "{name}": what was logged of it cannot be read: {error}') from error
    planned = with_finals(findings.plan.cells, tuned)
    openings = store.openings()
    runs = _runs(store, records, planned, [each.key for each in openings if each.study == study])
    keys = {run.key for run in runs} | {each.key for each in planned}
    mine = tuple(each for each in openings if each.study == study or each.key in keys)
    return Evidence(store, report_folder, findings, planned, tuned, records, runs, mine)


def altered_files(evidence: Evidence, run: Record, entry: Entry) -> Iterator[str]:
    """Yield files of a run that are not those that an entry vouches for."""
    for name, digest in entry.files.items():
        path = evidence.store.artifact(run.run_id, name)
        if path is None:
            yield f"{name} is gone"
        elif _digest_of(evidence, path) != digest:
            yield f"{name} is not the one that was logged{_consequence(name)}"


def _consequence(name: str) -> str:
    return ": its cells, settings or claims were changed since" if name == PLAN_FILE else ""


def _digest_of(evidence: Evidence, path: Path) -> str:
    """Return a file's digest; where a search's account was merged, as it was with the ids that its runs had there."""
    if path.name != TUNING_FILE:
        return file_digest(path)
    there = {run.run_id: origin_of(run) for run in evidence.runs}
    return text_digest(RUN_ID.sub(lambda found: there.get(found[0], found[0]), path.read_text(encoding="utf-8")))


def run_ids_of(tuned: Tuned) -> tuple[str, ...]:
    """Return the runs of a search's complete trials and of its confirmations."""
    trials = (run_id for trial in tuned.tuning.trials if trial.state == "complete" for run_id in trial.run_ids)
    confirmed = (run_id for each in tuned.tuning.confirmed for run_id in each.run_ids)
    return tuple(dict.fromkeys((*trials, *confirmed)))


def _runs(
    store: Store, records: Iterable[Record], planned: Iterable[PlannedCell], more: Iterable[str]
) -> tuple[Record, ...]:
    own = [record for record in records if record.kind in {"cell", "trial"}]
    keys = (*(run.key for run in own), *(each.key for each in planned), *more)
    found = {run.run_id: run for runs in store.cell_records(keys).values() for run in runs}
    found |= {run.run_id: run for run in own}
    fitted = (run for run in found.values() if run.kind in {"cell", "trial"})
    return tuple(sorted(fitted, key=lambda run: run.start))
