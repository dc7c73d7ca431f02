"""Optuna's storage: SQLite below the home, or the database that HARNESS_OPTUNA_STORAGE names."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import optuna
from filelock import FileLock
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from harness.errors import StoreError
from harness.tune.owners import BEAT_SECONDS
from harness.tune.turns import Turn

VARIABLE: Final = "HARNESS_OPTUNA_STORAGE"
FILE: Final = "optuna.db"
WAIT_SECONDS: Final = 60
"""How long SQLite waits for another process to finish writing."""
FAULTS: Final = (optuna.exceptions.StorageInternalError, SQLAlchemyError)
"""What is raised when a database is out of reach."""
OPENING_TRIES: Final = 3
"""Machines that start at the same time all find an empty database and create its tables; one succeeds at once."""


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

    def turn(self, study: str, name: str) -> Turn:
        """Return the turn `name` of a study."""
        study_id = self.optuna.get_study_id_from_name(study)
        return Turn(self.database, study_id, name, self.is_shared)


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


@contextmanager
def faults_told(storage: Storage) -> Iterator[None]:
    """Turn what Optuna raises when its database is out of reach into a StoreError that names it."""
    try:
        yield
    except FAULTS as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise StoreError(f"{storage.address}: the tuning study is out of reach: {reason}") from error


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
        raise StoreError(f"{shown}: the tuning studies cannot be opened: {str(error).splitlines()[0]}") from error


def _created(url: str, engine: dict[str, Any], tries: int) -> Any:
    for pause in range(1, tries):
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=engine)
        except DBAPIError:
            time.sleep(pause * random.uniform(0.2, 0.6))
    return optuna.storages.RDBStorage(url, engine_kwargs=engine)
