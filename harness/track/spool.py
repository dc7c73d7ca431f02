"""Writes to a store that is away: they wait in a file below the home and are delivered in their order.

While cells run, a thread of its own does what is to be written, one write after another. Whoever writes waits for
that, so that in the ordinary case all is as if there were no thread; after two seconds, or at once while the store is
away, he goes on, and the write is put into the file. What a process leaves there the next `harness run` with that home
delivers. A write is of the moment at which it was sent, so that one that is done twice is there once.

The opening of a test set is no such write: it is done in its turn or not at all, and never waits in the file.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from filelock import FileLock, Timeout

from harness.errors import StoreAwayError, StoreError, StoreRefusedError
from harness.interrupts import LEFT_BEHIND, SLOW_SECONDS, is_heard, is_pending
from harness.phases import advance, phase, remark
from harness.track.client import PAUSE_SECONDS, Outage, hasty
from harness.track.runs import as_of, cut, now_ms
from harness.words import amount

if TYPE_CHECKING:
    from harness.track.store import Store

P = ParamSpec("P")
T = TypeVar("T")
FOLDER: Final = "spool"
PROMPT_SECONDS: Final = 2.0
"""How long a writer waits for his write before he goes on without it."""
LOOK_SECONDS: Final = 0.1
LAST_SECONDS: Final = 5.0
"""How long is waited for the last writes of a run that is interrupted."""
LATE_SECONDS: Final = 0.5
"""The same where an earlier one was waited for in vain."""
WRITES: Final[dict[str, Callable[..., object]]] = {}
"""What may wait in the file, by name: the methods of `Store` that write to a run that is there."""


def spooled(write: Callable[Concatenate[Store, P], None]) -> Callable[Concatenate[Store, P], None]:
    """Have a method of `Store` go through the spool while there is one. Its folders are copied where it has to wait."""
    WRITES[write.__name__] = write
    signature = inspect.signature(write)
    more = next((each.name for each in signature.parameters.values() if each.kind is each.VAR_KEYWORD), "")

    @wraps(write)
    def send(store: Store, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if store.spool is None or store.spool.is_own_thread:
            write(store, *args, **kwargs)
            return
        given = dict(signature.bind(store, *args, **kwargs).arguments)
        del given["self"]
        if more in given:
            given |= given.pop(more)
        store.spool.send(write.__name__, given)

    return send


def in_turn(write: Callable[Concatenate[Store, P], None]) -> Callable[Concatenate[Store, P], None]:
    """Have a method of `Store` done after what was sent before it, while there is a spool.

    It then raises StoreAwayError where that is not done soon; called again with the same arguments, it goes on waiting.
    """

    @wraps(write)
    def ask(store: Store, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if store.spool is None or store.spool.is_own_thread:
            write(store, *args, **kwargs)
            return
        store.spool.ask(f"{write.__name__}{args}{kwargs}", lambda: write(store, *args, **kwargs))

    return ask


@dataclass(slots=True, eq=False)
class Entry:
    """A write that was sent, of the Unix millisecond `time`."""

    call: str
    given: dict[str, Any]
    time: int
    work: Callable[[], object] | None = None
    """What is done in turn, in place of a write."""
    is_kept: bool = False
    """Whether it is in the file."""
    is_left: bool = False
    """Whether its sender has gone on."""
    is_done: bool = False
    error: Exception | None = None
    begun: float | None = None
    """When the last try began."""

    @property
    def seconds(self) -> float:
        """How long the last try has been going on."""
        return 0.0 if self.begun is None else time.monotonic() - self.begun

    @property
    def run_id(self) -> str:
        """The run that is written to."""
        return str(self.given.get("run_id", ""))

    def text(self) -> str:
        """Return it as a line of the file."""
        return json.dumps({"call": self.call, "time": self.time, "given": self.given}, default=_plain)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else list(value)  # type: ignore[call-overload]


class Spool:
    """The writes of one process to a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outage: Outage = store.client.outage
        self._queue: deque[Entry] = deque()
        self._asked: dict[str, Entry] = {}
        self._change = threading.Condition()
        self._is_over = False
        self._is_told = False
        self._fault: StoreError | None = None
        self._last_time = 0
        self._file: SpoolFile | None = None
        self._locks: list[FileLock] = []
        self.refused: dict[str, str] = {}
        """By run id why the store did not take a write whose sender had gone on."""
        self._thread = threading.Thread(target=self._deliver, daemon=True, name=LEFT_BEHIND)
        self._thread.start()

    @property
    def is_own_thread(self) -> bool:
        """Whether this is the thread that delivers."""
        return threading.current_thread() is self._thread

    def send(self, call: str, given: dict[str, Any]) -> None:
        """Write to a run: now, or as soon as the store is there.

        Raises:
            StoreRefusedError: the store does not take it, or did not take an earlier write to the run.
            StoreError: patience is over, or the store cannot be used as things are; the write is kept all the same.
        """
        if given.get("run_id") in self.refused:
            raise StoreRefusedError(self.refused[given["run_id"]])
        entry = self._put(Entry(call, given, 0))
        # folders go as they are only while their owner waits: he deletes them afterwards
        if not self._wait(entry, None if "folder" in given else PROMPT_SECONDS):
            self._keep()
            self.check()
        elif entry.error is not None:
            raise entry.error

    def ask(self, name: str, work: Callable[[], object]) -> None:
        """Do what has to be done in turn, while its sender waits.

        Raises:
            StoreAwayError: it is not done yet: ask again.
            StoreError: patience is over, or the store cannot be used as things are.
            Exception: what `work` raises.
        """
        is_new = name not in self._asked
        if is_new:
            self._asked[name] = self._put(Entry("", {}, 0, work))
        entry = self._asked[name]
        if not self._wait(entry, PROMPT_SECONDS if is_new else 0.0):
            self.check()
            raise StoreAwayError(f"tracking store {self._store.client.address} is waited for")
        del self._asked[name]
        if entry.error is not None:
            raise entry.error

    def check(self) -> None:
        """Return unless there is no use in going on; looks, too, whether the store has stopped to answer.

        Raises:
            StoreError: patience is over, or the store cannot be used as things are; once, not while the run is ended.
        """
        if self._is_told:
            return
        head = self._queue[0] if self._queue else None
        if head is not None and head.is_left and "folder" not in head.given and head.seconds > SLOW_SECONDS:
            self._outage.begin(
                StoreAwayError(f"tracking store {self._store.client.address}: no answer for {SLOW_SECONDS} s")
            )
        try:
            if self._fault is not None:
                raise self._fault
            self._outage.check()
        except StoreError:
            self._is_told = True
            raise

    @property
    def _is_late(self) -> bool:
        """Whether what is done now was waited for in vain."""
        return bool(self._queue) and self._queue[0].is_left

    def settle(self) -> None:
        """Wait until all that was sent is delivered: what is read then is up to date.

        Raises:
            StoreAwayError: it is not, nor will it be soon.
            StoreError: patience is over, or the store cannot be used as things are.
        """
        with self._change:
            self._change.wait_for(lambda: not self._queue or self._outage.is_on, PROMPT_SECONDS)
        if self._queue:
            self.check()
            raise StoreAwayError(f"tracking store {self._store.client.address} is waited for")

    def release(self, lock: FileLock, run_id: str | None) -> None:
        """Release a lock as soon as all is delivered that was written to a run; nobody else may take it up before."""
        with self._change:
            is_behind = any(entry.run_id == run_id for entry in self._queue)
        if is_behind:
            self._locks.append(lock)
        else:
            lock.release()

    def wait(self) -> None:
        """Wait for a moment.

        Raises:
            StoreError: patience is over, or the store cannot be used as things are.
        """
        self.check()
        with self._change:
            self._change.wait(PAUSE_SECONDS)

    def close(self) -> None:
        """Deliver what is left; what cannot be delivered stays in the file. After an interrupt that is not waited for.

        Raises:
            StoreError: patience is over, or the store cannot be used as things are.
        """
        try:
            while self._queue and not (is_heard() or self._is_told):
                self.wait()
        finally:
            with self._change:
                self._queue = deque(entry for entry in self._queue if entry.work is None)
                seconds = LATE_SECONDS if self._is_late else LAST_SECONDS
                self._change.wait_for(lambda: not self._queue or self._outage.is_on or self._fault, seconds)
                self._is_over = True
                self._change.notify_all()
            self._keep()
            if self._file is not None:
                self._file.close()
            for lock in self._locks:
                lock.release()
            if self._queue:
                remark(
                    f"{amount(len(self._queue), 'record')} could not be delivered and are kept in "
                    f"{self._store.home / FOLDER}; the next `harness run` with this home delivers them"
                )

    def _put(self, entry: Entry) -> Entry:
        with self._change:
            entry.time = self._last_time = max(now_ms(), self._last_time + 1)
            self._queue.append(entry)
            self._change.notify_all()
        return entry

    def _wait(self, entry: Entry, seconds: float | None) -> bool:
        """Return whether an entry is done, soon; not even that is waited for while the store is away."""
        until = None if seconds is None else time.monotonic() + seconds
        with self._change:
            while not entry.is_done and self._fault is None and not self._is_over:
                is_hurried = self._outage.is_on or is_pending() or (is_heard() and self._is_late)
                if is_hurried or (until is not None and time.monotonic() >= until):
                    break
                self._change.wait(LOOK_SECONDS)
            entry.is_left = not entry.is_done
        return entry.is_done

    def _keep(self) -> None:
        """Put all that is in the queue into the file."""
        with self._change:
            new = [entry for entry in self._queue if entry.work is None and not entry.is_kept]
            if new:
                self._file = self._file or SpoolFile.new(self._store)
                self._file.append(new)

    def _deliver(self) -> None:
        with hasty():
            while True:
                with self._change:
                    self._change.wait_for(lambda: self._queue or self._is_over)
                    if self._is_over:
                        return
                    entry = self._queue[0]
                if not self._deliver_one(entry):
                    return

    def _deliver_one(self, entry: Entry) -> bool:
        """Try to do an entry; False if there is no use in going on."""
        given = dict(entry.given)
        entry.begun = time.monotonic()
        try:
            if entry.work is None:
                _write(self._store, entry.call, given, entry.time)
            else:
                entry.work()
            error = None
        except StoreAwayError as fault:
            self._outage.begin(fault)
            with self._change:
                self._change.notify_all()
                self._change.wait_for(lambda: self._is_over, PAUSE_SECONDS)
            return True
        except Exception as fault:
            error = fault  # its sender gets it
        if given.get("folder") != entry.given.get("folder"):
            return True  # its owner did not wait and may have deleted it meanwhile: once more, from the copy
        self._outage.end()
        with self._change:
            entry.error, entry.is_done = error, True
            if entry.is_left and isinstance(error, StoreError) and not isinstance(error, StoreRefusedError):
                self._fault = error  # as things are nothing can be written: this stays, and all that follows
                self._change.notify_all()
                return False
            self._drop(entry)
            if error is not None and entry.is_left and entry.work is None:
                self._refuse(entry, error)
            self._change.notify_all()
        return True

    def _drop(self, entry: Entry) -> None:
        if self._queue and self._queue[0] is entry:
            self._queue.popleft()
        if entry.is_kept and self._file is not None:
            self._file.mark_delivered()
        if not self._queue and self._file is not None:
            self._file.remove()
            self._file = None

    def _refuse(self, entry: Entry, error: Exception) -> None:
        """Give up a run whose sender has gone on: nothing more is written to it than that it failed, and why."""
        run_id = entry.run_id
        if run_id in self.refused:
            return
        self.refused[run_id] = str(error)
        remark(f"run {run_id[:8]}: {error}")
        for each in [each for each in self._queue if each.run_id == run_id]:
            self._queue.remove(each)
            if each.is_kept and self._file is not None:
                self._file.mark_delivered()
        reason = {"run_id": run_id, "status": "FAILED", "error": cut(str(error), 400)}
        self._queue.append(Entry("end", reason, now_ms(), is_left=True))


def _write(store: Store, call: str, given: Mapping[str, Any], time_ms: int) -> None:
    with as_of(time_ms):
        WRITES[call](store, **given)


@dataclass(slots=True)
class SpoolFile:
    """The file of a process: a line an entry, a line for each that was delivered, appended and nothing else.

    Its lock is held by the process that writes it; folders that are to be written are beside it.
    """

    path: Path
    lock: FileLock
    _delivered: int = 0
    _folders: int = 0

    @classmethod
    def new(cls, store: Store) -> SpoolFile:
        """Begin a file of this process."""
        folder = store.home / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.time_ns()}-{os.getpid()}.jsonl"
        lock = FileLock(path.with_suffix(".lock"), thread_local=False)
        lock.acquire(timeout=0)
        made = cls(path, lock)
        made._append([json.dumps({"store": _name_of(store)})])
        return made

    def append(self, entries: list[Entry]) -> None:
        """Add entries; they are on the disk when this returns."""
        for entry in entries:
            self._copy_folder(entry)
        self._append([entry.text() for entry in entries])
        for entry in entries:
            entry.is_kept = True

    def _copy_folder(self, entry: Entry) -> None:
        if "folder" in entry.given:
            kept = self.path.with_suffix("") / str(self._folders) / Path(entry.given["folder"]).name
            self._folders += 1
            shutil.copytree(entry.given["folder"], kept, copy_function=_link)
            entry.given = {**entry.given, "folder": kept}

    def mark_delivered(self) -> None:
        """Note that one more entry, in their order, need not be delivered again."""
        self._delivered += 1
        self._append([json.dumps({"delivered": self._delivered})], durable=False)

    def close(self) -> None:
        """Leave the file to whoever delivers it."""
        self.lock.release()

    def remove(self) -> None:
        """Remove the file: all of it is delivered."""
        self.path.unlink(missing_ok=True)
        shutil.rmtree(self.path.with_suffix(""), ignore_errors=True)
        self.lock.release()
        self.path.with_suffix(".lock").unlink(missing_ok=True)

    def _append(self, lines: list[str], durable: bool = True) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
            if durable:
                file.flush()
                os.fsync(file.fileno())


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _name_of(store: Store) -> str:
    """Return what tells the stores that a home may write to apart; an embedded one is moved with its home."""
    return "embedded" if store.artifacts is not None else store.client.address


def waiting(home: Path) -> int:
    """Return how many records of processes that have ended wait in a home to be delivered."""
    return sum(len(entries) for _, _, entries in _left(home))


def deliver(store: Store) -> None:
    """Deliver what earlier processes left in the home of a store.

    What belongs to another store is told and stays; what the store refuses is told and given up, with its run.

    Raises:
        StoreError: the store cannot be reached.
    """
    for file, name, entries in _left(store.home):
        if name != _name_of(store):
            remark(f"{file.path}: {amount(len(entries), 'record')} of the store {name} wait until that is used again")
            continue
        refused: set[str] = set()
        with phase(
            f"delivering {amount(len(entries), 'record')} that were kept while the store was away", len(entries)
        ):
            for entry in entries:
                if entry.run_id not in refused:
                    try:
                        _write(store, entry.call, entry.given, entry.time)
                    except StoreRefusedError as error:
                        refused.add(entry.run_id)
                        remark(f"run {entry.run_id[:8]}: {error}")
                file.mark_delivered()
                advance()
        file.remove()


def _left(home: Path) -> Iterator[tuple[SpoolFile, str, list[Entry]]]:
    """Yield the files whose process has ended, each locked, with the store's name and what is to be delivered."""
    for path in sorted((home / FOLDER).glob("*.jsonl")):
        lock = FileLock(path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            if path.exists():
                name, entries, delivered = _read(path)
                yield SpoolFile(path, lock, delivered), name, entries
        finally:
            lock.release(force=True)


def _read(path: Path) -> tuple[str, list[Entry], int]:
    """Return the store's name, what is to be delivered, and how much was; a line that was cut short is passed over."""
    name, delivered, entries = "", 0, []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        name = found.get("store", name)
        delivered = found.get("delivered", delivered)
        if "call" in found:
            entries.append(Entry(found["call"], _typed(found["given"]), found["time"], is_kept=True))
    return name, entries[delivered:], delivered


def _typed(given: Mapping[str, Any]) -> dict[str, Any]:
    typed = dict(given)
    if "folder" in given:
        typed["folder"] = Path(given["folder"])
    if "plugins" in given:
        typed["plugins"] = tuple(map(Path, given["plugins"]))
    return typed
