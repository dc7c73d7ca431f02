"""Optuna's storage, and who of all processes that work on a study may do what.

It is SQLite below the home, or the database that HARNESS_OPTUNA_STORAGE names. One process at a time draws trials,
and one chooses the winner: a lease is an entry of the study's attributes that is only changed if it is as it was
read, so of two processes that want it one gets it. The lease of a process that is gone is free.
"""

from __future__ import annotations

import os
import platform
import random
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import optuna
import psutil
from filelock import FileLock
from sqlalchemy import Connection, column, insert, select, table, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from harness.contracts import Frozen
from harness.errors import StoreError, without_secrets

VARIABLE: Final = "HARNESS_OPTUNA_STORAGE"
FILE: Final = "optuna.db"
WAIT_SECONDS: Final = 60
"""How long SQLite waits for another process to finish writing."""
FAULTS: Final = (optuna.exceptions.StorageInternalError, SQLAlchemyError)
"""What is raised when a database is out of reach."""
OPENING_TRIES: Final = 3
"""Machines that start at the same time all find an empty database and create its tables; one succeeds at once."""
BEAT_SECONDS: Final = 60
"""How often a process says that it lives, where several machines share a study."""
GRACE_SECONDS: Final = 240
"""A process of another machine that has been silent for so long is taken for dead."""
PROCESS: Final = uuid4().hex[:12]
"""This process among all of all machines: process numbers come again, in containers at once."""
ENTRIES: Final = table("study_user_attributes", column("study_id"), column("key"), column("value_json"))
FREE: Final = "null"
POLL_SECONDS: Final = 0.05


def open_storage(home: Path) -> Storage:
    """Open the storage, created if there is none.

    Args:
        home: where `optuna.db` is.

    Raises:
        StoreError: the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    url = os.environ.get(VARIABLE, "")
    if url:
        return _server(url)
    home.mkdir(parents=True, exist_ok=True)
    path = home / FILE
    with FileLock(home / f"{FILE}.lock"):
        is_new = not path.exists()
        database = _opened(f"sqlite:///{path}", str(path), {"connect_args": {"timeout": WAIT_SECONDS}}, tries=1)
        if is_new:
            with sqlite3.connect(path) as connection:  # so that a dashboard reads while a search writes
                connection.execute("PRAGMA journal_mode=WAL")
    return Storage(optuna.storages.get_storage(database), database, is_shared=False, address=str(path))


def exists(home: Path) -> bool:
    """Whether there is anything to open without creating it."""
    return bool(os.environ.get(VARIABLE)) or (home / FILE).exists()


def _server(url: str) -> Storage:
    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError as error:
        raise StoreError(f"{VARIABLE} is not a database address like postgresql+psycopg://user@host/name") from error
    address = f"{VARIABLE}={shown}"
    database = _opened(url, address, {"pool_pre_ping": True}, OPENING_TRIES)
    return Storage(optuna.storages.get_storage(database), database, is_shared=True, address=address)


def _opened(url: str, shown: str, engine: dict[str, Any], tries: int) -> Any:
    try:
        return _created(url, engine, tries)
    except ImportError as error:
        raise StoreError(f"{shown}: {error}; install the database's driver") from error
    except (SQLAlchemyError, RuntimeError, ValueError) as error:
        raise StoreError(
            f"{shown}: the tuning studies cannot be opened: {without_secrets(str(error)).splitlines()[0]}"
        ) from error


def _created(url: str, engine: dict[str, Any], tries: int) -> Any:
    for pause in range(1, tries):
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=engine)
        except DBAPIError:
            time.sleep(pause * random.uniform(0.2, 0.6))
    return optuna.storages.RDBStorage(url, engine_kwargs=engine)


@contextmanager
def faults_told(storage: Storage) -> Iterator[None]:
    """Tell faults of the storage as those of a store.

    Raises:
        StoreError: the database is out of reach; names it.
    """
    try:
        yield
    except FAULTS as error:
        reason = without_secrets(str(error.__cause__ or error)).splitlines()[0]
        raise StoreError(f"{storage.address}: the tuning study is out of reach: {reason}") from error


@dataclass(frozen=True, slots=True)
class Storage:
    """An open storage; `is_shared` says whether it serves several machines, which then tell that they live."""

    optuna: optuna.storages.BaseStorage
    database: Any
    is_shared: bool
    address: str
    """As it is shown to people."""

    @contextmanager
    def beating(self, beat: Callable[[], object]) -> Iterator[None]:
        """Call `beat`, which tells other machines that this one lives, every minute."""
        if not self.is_shared:
            yield
            return
        over = threading.Event()

        def go_on() -> None:
            while not over.wait(BEAT_SECONDS):
                with suppress(*FAULTS):  # the next one may get through; if not, the search itself will say so
                    beat()

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def lease(self, study: str, name: str) -> Lease:
        """Return the lease `name` of a study."""
        study_id = self.optuna.get_study_id_from_name(study)
        return Lease(self.database, study_id, name, self.is_shared)


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease `name` of a study; `is_shared` says whether several machines work on it."""

    database: Any
    study_id: int
    name: str
    is_shared: bool

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it for the length of the block, as soon as it is free."""
        while not self.take():
            time.sleep(random.uniform(POLL_SECONDS, 3 * POLL_SECONDS))
        try:
            yield
        finally:
            self.release()

    def take(self) -> bool:
        """Take or renew it; False if another process has it."""
        return self._change(heartbeat().model_dump_json())

    def release(self) -> None:
        """Let the next one have it; nothing happens if it has been taken away."""
        self._change(FREE)

    def _change(self, after: str) -> bool:
        try:
            with self.database.engine.begin() as connection:
                return self._changed(connection, after)
        except IntegrityError:  # another process was the first ever to take it
            return False

    def _changed(self, connection: Connection, after: str) -> bool:
        here = (ENTRIES.c.study_id == self.study_id) & (ENTRIES.c.key == self.name)
        before = connection.execute(select(ENTRIES.c.value_json).where(here)).scalar()
        if before is None:
            entry = {"study_id": self.study_id, "key": self.name, "value_json": after}
            connection.execute(insert(ENTRIES).values(entry))
            return True
        if before != FREE and not self._is_free(Heartbeat.model_validate_json(before)):
            return False
        same = ENTRIES.c.value_json == before
        return connection.execute(update(ENTRIES).where(here & same).values(value_json=after)).rowcount == 1

    def _is_free(self, holder: Heartbeat) -> bool:
        return holder.is_me or is_gone(holder, self.is_shared)


class Heartbeat(Frozen):
    """A process, and when it said last that it lives."""

    host: str
    pid: int
    time: str
    """UTC in ISO 8601."""
    process: str = ""

    @property
    def is_me(self) -> bool:
        """Whether it is this process."""
        return self.process == PROCESS


def heartbeat() -> Heartbeat:
    """Return this process, alive now."""
    return Heartbeat(host=platform.node(), pid=os.getpid(), time=now(), process=PROCESS)


def is_gone(process: Heartbeat, is_shared: bool) -> bool:
    """Whether a process has died, as far as it can be known from here.

    Args:
        process: who is asked about.
        is_shared: whether the storage serves several machines. One that does not is a file: what another host name
            has left there was left by a container that had this home before, or before the home was moved.
    """
    if process.is_me:
        return False
    if is_shared and process.host != platform.node():
        return _silent_seconds(process) > GRACE_SECONDS
    try:
        found = psutil.Process(process.pid)
        is_zombie = found.status() == psutil.STATUS_ZOMBIE
        began = datetime.fromtimestamp(found.create_time(), UTC)
    except psutil.NoSuchProcess:
        return True
    return is_zombie or began > datetime.fromisoformat(process.time)  # the number has been given away since


def _silent_seconds(process: Heartbeat) -> float:
    """Return how long ago it said that it lives, by clocks that are taken to agree within seconds."""
    return (datetime.now(UTC) - datetime.fromisoformat(process.time)).total_seconds()


def now() -> str:
    """Return the time in UTC and ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
