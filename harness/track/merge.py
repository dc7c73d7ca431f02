"""Runs and test openings of other homes brought into a store; doing it again adds nothing.

Another home may be a stranger's. It is read from a copy of its database, so nothing in it is written; what its records
lead to outside of it is left alone and named (`copies.py`).
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harness.contracts import Opening
from harness.errors import InputError, SealError, StoreError
from harness.track import embedded, ledger
from harness.track.copies import ORIGIN, begin_copy, complete_copy, files_to_copy, origin_of
from harness.track.experiments import find_or_create
from harness.track.journal import last_of
from harness.track.runs import Record, search
from harness.track.store import Store, existing_store, open_store, store_at
from harness.track.within import Files, within
from harness.words import size

RUNNING: Final = "RUNNING"


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of one home: runs copied, runs that the store had already, and test openings that are new to it.

    `running` are the names of runs that were left out, because they have not ended. `refused` are places that records
    led to and that were left out, each with the reason: they are no regular files below the home.
    """

    home: Path
    copied: int
    known: int
    openings: int
    running: tuple[str, ...]
    refused: tuple[str, ...] = ()


def merge(home: Path, homes: Sequence[Path], tell: Callable[[str], None]) -> tuple[Merged, ...]:
    """Copy all runs that have ended, and all test openings, of some homes into the store of another.

    Args:
        home: Where they are to go; its store is made once nothing speaks against it.
        homes: Embedded stores; they are read, and nothing in them is written or run.
        tell: Hears how far it is.

    Raises:
        InputError: a home has no store, or is the target's own.
        SealError: two of the stores opened the test set of one cell with different models; nothing was written.
        StoreError: a store cannot be reached, read or written, or there is no room for a home's files.
    """
    there = existing_store(home)
    with ExitStack() as opened:
        sources = [opened.enter_context(reading(each, there)) for each in homes]
        refuse_other_openings([*([there] if there else []), *sources])
        target = there or open_store(home)
        return tuple(_merge_one(target, source, tell) for source in sources)


@contextmanager
def reading(home: Path, target: Store | None) -> Iterator[Store]:
    """Give the embedded store of another home, to be read: its database is a copy that goes when the context ends.

    Raises:
        InputError: the home has no store, or is the target's.
        StoreError: its database cannot be read, or lies elsewhere.
    """
    place = home.resolve()
    database = place / embedded.DATABASE
    if not database.is_file():
        inner = " (is it the .harness in it?)" if (place / ".harness" / embedded.DATABASE).is_file() else ""
        raise InputError(f"{home}: there is no store in it, no {embedded.DATABASE}{inner}")
    if target is not None and place == target.home and target.artifacts is not None:
        raise InputError(f"{home}: that is the store itself; choose where the runs are to go with --home")
    if not within(place, database):
        raise StoreError(f"{home}: its {embedded.DATABASE} leads out of it, to {database.resolve()}; it is not read")
    with TemporaryDirectory(prefix="harness-merge-") as beside:
        yield store_at(place, embedded.copied(database, Path(beside)), place / embedded.ARTIFACTS)


def refuse_other_openings(stores: Iterable[Store]) -> None:
    """Raise SealError if a cell opened a test set with different models, naming all such cells."""
    known: dict[str, list[tuple[Opening, Path]]] = defaultdict(list)
    faults = []
    for store in stores:
        for opening in store.openings():
            for earlier, home in known[opening.key]:
                is_other = earlier.test_set.is_same(opening.test_set) is False
                if not is_other and earlier.model_digest != opening.model_digest:
                    faults.append(f"cell {opening.key}: {_told(earlier, home)}, and {_told(opening, store.home)}")
                    break
            known[opening.key].append((opening, store.home))
    if faults:
        raise SealError(
            "nothing was merged: test sets were opened twice, with different models\n"
            + "\n".join(faults)
            + "\na cell's test set is opened once, on one machine: these homes cannot be merged"
        )


def _told(opening: Opening, home: Path) -> str:
    return f"run {opening.run_id} in {home} opened it at {opening.time} on {opening.host} with {opening.model_digest}"


def _merge_one(target: Store, source: Store, tell: Callable[[str], None]) -> Merged:
    """Make all copies, empty; then the ledger; then fill the copies. So no figure is ever without its opening."""
    records = _all_records(source)
    ids = _known_ids(target)
    ended = [record for record in records if record.status != RUNNING]
    new = [record for record in ended if origin_of(record) not in ids]
    files = {record.run_id: files_to_copy(source, record) for record in new}
    _require_room(target, source, files)
    mapped = {record.run_id: ids[origin] for record in records if (origin := origin_of(record)) in ids}
    mapped |= {record.run_id: begin_copy(target, record) for record in new}
    openings = _merge_ledger(target, source, mapped)
    _merge_journal(target, source)
    for number, record in enumerate(new, 1):
        complete_copy(source, target, record, mapped, files[record.run_id])
        if number % 10 == 0 or number == len(new):
            tell(f"{source.home}: {number} of {len(new)} runs copied")
    running = tuple(record.name for record in records if record.status == RUNNING)
    refused = tuple(f"{record.name}: {each}" for record in new for each in files[record.run_id].strange)
    return Merged(source.home, len(new), len(ended) - len(new), openings, running, refused)


def _require_room(target: Store, source: Store, files: Mapping[str, Files]) -> None:
    """Raise StoreError if a home's files are more than there is room for: a sparse one can claim any size."""
    wanted, free = sum(each.size_bytes for each in files.values()), shutil.disk_usage(target.home).free
    if wanted > free:
        raise StoreError(
            f"{source.home}: its files take {size(wanted)}, {size(free)} are free; nothing of it was merged"
        )


def _known_ids(target: Store) -> dict[str, str]:
    """Return the id in the target of each run that it has, by the id of the run it stems from.

    A copy that was never completed has no kind yet: it is deleted, to be made anew.
    """
    known = {}
    for record in _all_records(target, with_broken=True):
        if record.kind:
            known[record.run_id] = known[origin_of(record)] = record.run_id
        elif ORIGIN in record.tags:
            target.client.delete_run(record.run_id)
    return known


def _all_records(store: Store, with_broken: bool = False) -> tuple[Record, ...]:
    """Return the runs of all studies, without the ledger's; those of no kind are none of ours."""
    return tuple(record for record in search(store.client, store.studies()) if record.kind or with_broken)


def _merge_journal(target: Store, source: Store) -> None:
    """Copy the source's journal as it is, a chain of its own, and say in the target's how it ends."""
    entries = source.entries()
    experiment = find_or_create(target.client, ledger.LEDGER, target.artifacts)
    if target.journal.add(experiment, entries):
        target.note("merge", "", "", home=str(source.home), last=[entry.digest for entry in last_of(entries)])


def _merge_ledger(target: Store, source: Store, mapped: Mapping[str, str]) -> int:
    """Append the openings that the target's ledger lacks, in their order; return how many."""
    added, experiment = 0, find_or_create(target.client, ledger.LEDGER, target.artifacts)
    with target.journal.lock:
        had = {ledger.look_of(each) for each in target.openings()}
        for opening in source.openings():
            if ledger.look_of(opening) not in had:
                moved = replace(opening, run_id=mapped.get(opening.run_id, opening.run_id))
                ledger.append(target.client, experiment, moved, opening.study)
                had.add(ledger.look_of(opening))
                added += 1
    return added
