"""The journal: what happened in a store, in its order, each entry with the digest of the one before.

So nothing that was logged can be changed, taken out or put in later without every entry after it being written again;
and who has noted the last digest sees that too. An entry is a tag of a run of the ledger's experiment, written in one
request. Several processes of one home take turns by a lock. Where two homes write to one server at the same moment
there are two entries after the same one: a fork, which loses nothing, and which the audit tells.

What is in an entry besides its number, the digest before, its time, kind, study and run:

| kind | when | says |
|---|---|---|
| plan | a plan was logged, with its claims | digests of the files of the matrix run; tags of code and machine |
| opening | before test images are read | the line of the ledger |
| ending | a cell or trial finished, failed or was pruned | key, status, digest of the manifest, error |
| resumed | a run that had ended is gone on with | key |
| check | train and test were compared | digest of what was found |
| trial | a search was told a trial | number, state, values |
| winner | the winner of a search was fixed | trial, key of its cell |
| search | what a search has found was logged | digests of the files of its run |
| merge | runs of another home were copied into this store | last digest of that home's journal |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from filelock import FileLock
from mlflow.entities import RunTag

from harness.contracts import Opening
from harness.track.client import Client, is_server
from harness.track.runs import HIDDEN, Record, now_ms, record_of, search, stored_tags

Kind = Literal["plan", "opening", "ending", "resumed", "check", "trial", "winner", "search", "merge"]
JOURNAL: Final = "journal"
"""The tag harness.kind of the runs that hold entries."""
MERGED: Final = "merged-journal"
"""The same where they were copied from another home."""
ENTRY: Final = "harness.entry."
"""What the names of the tags begin with that hold an entry each."""
ENTRIES_A_RUN: Final = 1000
TAGS_A_BATCH: Final = 100
"""MLflow takes no more in one call."""
HEAD: Final = "journal.json"
"""The file of a home that holds the last entry which it wrote, so that the next one need not ask the store."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `text` is what is stored and digested: JSON of all the rest."""

    text: str
    number: int
    """From 1."""
    previous: str
    """Digest of the entry before; empty for the first."""
    time: str
    """UTC in ISO 8601, by the clock of the machine that wrote it; the order is the numbers'."""
    kind: str
    study: str
    run_id: str
    said: Mapping[str, Any]
    """What else it says, by kind."""

    @property
    def digest(self) -> str:
        """SHA-256 of the text, 64 hex digits."""
        return _digest(self.text)

    @property
    def key(self) -> str:
        """The cell's key, empty where it is about none."""
        return str(self.said.get("key", ""))

    @property
    def files(self) -> Mapping[str, str]:
        """Digest by path of the run's files that it vouches for."""
        return dict(self.said.get("files", {}))


def read_entry(text: str) -> Entry | None:
    """Return the entry that a text holds, None if it is none."""
    try:
        found = json.loads(text)
        known = {name: found.pop(name) for name in ("number", "previous", "time", "kind", "study", "run")}
        return Entry(
            text=text,
            number=int(known["number"]),
            previous=str(known["previous"]),
            time=str(known["time"]),
            kind=str(known["kind"]),
            study=str(known["study"]),
            run_id=str(known["run"]),
            said=found,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def opening_in(entry: Entry) -> Opening:
    """Return the line of the ledger that an entry of an opening holds; what it does not say is empty."""
    line, names = dict(entry.said.get("line", {})), [each.name for each in fields(Opening)]
    empty = dict.fromkeys(("key", "model_digest", "time", "host", "run_id"), "")
    return Opening(**{**empty, **{name: line[name] for name in names if name in line}})


def last_of(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries that no other follows: one, unless the journal has forked or others were merged into it."""
    found = tuple(entries)
    followed = {entry.previous for entry in found}
    return tuple(entry for entry in found if entry.digest not in followed)


def forks_of(entries: Iterable[Entry]) -> tuple[tuple[Entry, ...], ...]:
    """Return the entries that follow the same one, where there are several."""
    followers: dict[str, list[Entry]] = {}
    for entry in entries:
        followers.setdefault(entry.previous, []).append(entry)
    return tuple(tuple(each) for previous, each in followers.items() if previous and len(each) > 1)


def places_of(entries: Iterable[Entry]) -> dict[str, tuple[str, int]]:
    """Return where each entry stands, by digest: the first entry of its chain, and its number in it.

    Entries of a chain that has forked have no place: of two of them nobody knows which was first.

    Args:
        entries: By number.
    """
    found = tuple(entries)
    places: dict[str, tuple[str, int]] = {}
    for entry in found:
        first = places[entry.previous][0] if entry.previous in places else entry.digest
        places[entry.digest] = (first, entry.number)
    forked = {places[each.digest][0] for fork in forks_of(found) for each in fork}
    return {digest: place for digest, place in places.items() if place[0] not in forked}


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry that is known, and the run that holds it with its number of entries."""

    number: int
    digest: str
    holder: str
    held: int


@dataclass(slots=True)
class Journal:
    """The journal of a store, which a home writes to. `experiment` is the id of the ledger's."""

    client: Client
    home: Path
    lock: FileLock = field(init=False)
    """Held while an entry, or a line of the ledger, is written."""
    _known: Head | None = None
    """The last entry that this process knows of; another of this home may have written since."""

    def __post_init__(self) -> None:
        self.lock = FileLock(self.home / "ledger.lock")

    def append(self, experiment: str, kind: Kind, study: str, run_id: str, said: Mapping[str, object]) -> None:
        """Write an entry; returns once it is stored.

        Raises:
            StoreError: the store cannot be reached or written.
        """
        with self.lock:
            last = self._last(experiment) or Head(0, "", "", ENTRIES_A_RUN)
            number, is_full = last.number + 1, last.held >= ENTRIES_A_RUN
            own = {"number": number, "previous": last.digest, "time": _now(), "kind": kind, "study": study}
            text = json.dumps({**said, **own, "run": run_id}, sort_keys=True, ensure_ascii=False)
            digest = _digest(text)
            holder = self._new_holder(experiment, JOURNAL, number) if is_full else last.holder
            self.client.set_tag(holder, _tag(number, digest), text)
            self._keep(Head(number, digest, holder, 1 if is_full else last.held + 1))

    def entries(self, experiment: str) -> tuple[Entry, ...]:
        """Return all entries by number, those merged from other homes too; texts that are no entries are left out."""
        found = (entry for entry in map(read_entry, self._texts(experiment)) if entry is not None)
        return tuple(sorted(found, key=lambda entry: (entry.number, entry.time, entry.text)))

    def add(self, experiment: str, entries: Iterable[Entry]) -> int:
        """Copy entries of another store's journal as they are, but for those that are here; return how many."""
        with self.lock:
            known = set(self._texts(experiment))
            new = [entry for entry in entries if entry.text not in known]
            for start in range(0, len(new), ENTRIES_A_RUN):
                part = new[start : start + ENTRIES_A_RUN]
                holder = self._new_holder(experiment, MERGED, part[0].number)
                tags = [RunTag(_tag(entry.number, entry.digest), entry.text) for entry in part]
                for first in range(0, len(tags), TAGS_A_BATCH):
                    self.client.log_batch(holder, tags=tags[first : first + TAGS_A_BATCH])
        return len(new)

    def written_here(self) -> Head | None:
        """Return the last entry that this home wrote to this store, as its own file says; None if it wrote none."""
        with suppress(OSError, ValueError, TypeError, LookupError):
            kept = json.loads((self.home / HEAD).read_text())
            if kept.pop("store") == self._store:
                return Head(**kept)
        return None

    def _keep(self, head: Head) -> None:
        beside = (self.home / HEAD).with_suffix(".partial")
        beside.write_text(json.dumps({"store": self._store, **asdict(head)}) + "\n")
        beside.replace(self.home / HEAD)
        self._known = head

    @property
    def _store(self) -> str:
        """What tells the stores that a home has written to apart; the embedded one may be moved with it."""
        return _digest(self.client.uri) if is_server(self.client.uri) else "embedded"

    def _last(self, experiment: str) -> Head | None:
        """Return the last entry: by this home's file; once a process by the store as well, for the file may be old."""
        written, known = self.written_here(), self._known or self._stored_last(experiment)
        if known is None or written is None:
            return known
        return written if written.number > known.number else known

    def _stored_last(self, experiment: str) -> Head | None:
        condition, newest_first = f"tags.`harness.kind` = '{JOURNAL}'", ["attributes.start_time DESC"]
        for run in self.client.search_runs([experiment], condition, max_results=1, order_by=newest_first):
            record = record_of(run, "")
            found = [entry for entry in map(read_entry, _texts_of(record)) if entry is not None]
            if found:
                last = max(found, key=lambda entry: (entry.number, entry.text))
                return Head(last.number, last.digest, record.run_id, len(found))
        return None

    def _texts(self, experiment: str) -> list[str]:
        records = search(self.client, {experiment: ""}, f"tags.`harness.kind` LIKE '%{JOURNAL}'")
        return [text for record in records for text in _texts_of(record)]

    def _new_holder(self, experiment: str, kind: str, number: int) -> str:
        name = f"{kind.replace('-', ' ')} from entry {number:,}"
        run = self.client.create_run(experiment, tags=stored_tags({"harness.kind": kind}), run_name=name)
        self.client.set_terminated(run.info.run_id, "FINISHED")
        return str(run.info.run_id)


def _texts_of(record: Record) -> list[str]:
    return [text for name, text in record.tags.items() if name.startswith(ENTRY)]


def _tag(number: int, digest: str) -> str:
    """Return the name of an entry's tag: with its digest, so that no entry of another home can be written over."""
    return f"{HIDDEN}{ENTRY}{number:07}.{digest[:8]}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _now() -> str:
    return datetime.fromtimestamp(now_ms() / 1000, UTC).isoformat(timespec="seconds")
