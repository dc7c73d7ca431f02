"""Optuna's storage: SQLite below the home, or the database that HARNESS_OPTUNA_STORAGE names."""

from __future__ import annotations

import os
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import optuna
from filelock import FileLock
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from harness.errors import StoreError

VARIABLE: Final = "HARNESS_OPTUNA_STORAGE"
FILE: Final = "optuna.db"
BEAT_SECONDS: Final = 60
GRACE_SECONDS: Final = 240
"""A trial of a machine that has been silent for so long is taken for dead."""
WAIT_SECONDS: Final = 60
"""How long SQLite waits for another process to finish writing."""


@dataclass(frozen=True, slots=True)
class Storage:
    """An open storage; `beats` says whether several machines share it and therefore tell that they live."""

    optuna: optuna.storages.BaseStorage
    database: Any
    beats: bool

    @contextmanager
    def beating(self, running: Callable[[], Iterable[int]]) -> Iterator[None]:
        """Tell other machines every minute that the trials with these ids are alive."""
        if not self.beats:
            yield
            return
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT_SECONDS):
                for trial_id in tuple(running()):
                    self.database.record_heartbeat(trial_id)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def open_storage(home: Path, on_stale: Callable[[Any, Any], None]) -> Storage:
    """Open the storage, created if there is none.

    Args:
        home: where `optuna.db` is.
        on_stale: called with study and trial when a trial of a machine that died has been told failed.

    Raises:
        StoreError: the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")
    url = os.environ.get(VARIABLE, "")
    if url:
        return _server(url, on_stale)
    home.mkdir(parents=True, exist_ok=True)
    path = home / FILE
    with FileLock(home / f"{FILE}.lock"):
        is_new = not path.exists()
        database = _opened(f"sqlite:///{path}", str(path), {"connect_args": {"timeout": WAIT_SECONDS}}, {})
        if is_new:
            with sqlite3.connect(path) as connection:  # so that a dashboard reads while a search writes
                connection.execute("PRAGMA journal_mode=WAL")
    return Storage(optuna.storages.get_storage(database), database, beats=False)


def exists(home: Path) -> bool:
    """Whether there is anything to open without creating it."""
    return bool(os.environ.get(VARIABLE)) or (home / FILE).exists()


def _server(url: str, on_stale: Callable[[Any, Any], None]) -> Storage:
    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError as error:
        raise StoreError(f"{VARIABLE} is not a database address like postgresql+psycopg://user@host/name") from error
    heart = {
        "heartbeat_interval": BEAT_SECONDS,
        "grace_period": GRACE_SECONDS,
        "heartbeat_stale_trial_callback": on_stale,
    }
    database = _opened(url, f"{VARIABLE}={shown}", {"pool_pre_ping": True}, heart)
    return Storage(optuna.storages.get_storage(database), database, beats=True)


def _opened(url: str, shown: str, engine: dict[str, Any], heart: dict[str, Any]) -> Any:
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=engine, **heart)
    except ImportError as error:
        raise StoreError(f"{shown}: {error}; install the database's driver") from error
    except (SQLAlchemyError, RuntimeError, ValueError) as error:
        raise StoreError(f"{shown}: the tuning studies cannot be opened: {str(error).splitlines()[0]}") from error
