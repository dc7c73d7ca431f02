"""The embedded store: an SQLite file and a folder of artifacts, created once, found again when moved."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock
from mlflow.store.db.utils import _get_latest_schema_revision
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from harness.errors import StoreError
from harness.track.client import FAULTS, fault_of

DATABASE: Final = "mlflow.db"
ARTIFACTS: Final = "artifacts"
LOCKED_SECONDS: Final = 60
"""How long a database that another process has locked is waited for as it is opened."""
_LOCATED: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)
"""Where MLflow keeps absolute paths below the artifact folder."""


def prepare(home: Path) -> tuple[str, Path]:
    """Return the database URI and artifact folder of a home; create the store if there is none.

    Safe when several processes do it at once. A home that was moved or copied is told its new place.

    Raises:
        StoreError: the database is of another MLflow version, or no MLflow database.
    """
    database, artifacts = home / DATABASE, home / ARTIFACTS
    if not database.exists():
        _create(database, artifacts)
    _check_schema(database)
    if _known_place(database) != str(artifacts):
        _move(database, artifacts)
    return uri_of(database), artifacts


def copied(database: Path, folder: Path) -> str:
    """Return the URI of a copy, in `folder`, of another home's database, which knows where that home's artifacts are.

    The other database stays as it is; it may be on a medium that cannot be written.

    Raises:
        StoreError: it cannot be read, or is of another MLflow version.
    """
    copy, artifacts = folder / DATABASE, database.parent / ARTIFACTS
    try:
        with closing(_reader(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        _check_schema(copy)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{database} cannot be read: {error}") from error
    except StoreError as error:
        raise StoreError(str(error).replace(str(copy), str(database))) from error
    if _known_place(copy) != str(artifacts):
        _move(copy, artifacts)
    return uri_of(copy)


def _reader(database: Path) -> sqlite3.Connection:
    """Return a connection that only reads; where no file can be made beside the database, without its last log."""
    address = f"{database.as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=20)
    try:
        connection.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.OperationalError:
        connection.close()
        if os.access(database.parent, os.W_OK):
            raise
        connection = sqlite3.connect(f"{address}&immutable=1", uri=True)
    return connection


def uri_of(database: Path) -> str:
    """Return the SQLAlchemy URI of a SQLite file."""
    return f"sqlite:///{database}"


def _create(database: Path, artifacts: Path) -> None:
    """Create the database beside its place and rename it there, so that nobody sees half of one."""
    artifacts.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        if database.exists():
            return
        beside = database.with_suffix(".partial")
        beside.unlink(missing_ok=True)
        try:
            with _quiet_migrations():
                store = SqlAlchemyStore(uri_of(beside), str(artifacts))
            store.engine.dispose()
            with closing(sqlite3.connect(beside)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")  # persists; parallel writers wait a third as long
        except FAULTS as error:
            raise fault_of(error, uri_of(database)) from error
        beside.rename(database)


@contextmanager
def _quiet_migrations() -> Iterator[None]:
    """Keep the 60 lines that migrations log, and the database that they leave in the environment, to ourselves."""
    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "alembic")]
    levels = [logger.level for logger in loggers]
    environment = dict(os.environ)
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for name in set(os.environ) - set(environment):
            del os.environ[name]


def _check_schema(database: Path) -> None:
    """Raise StoreError unless the database's schema is the one of the installed MLflow.

    Checked before MLflow opens it: MLflow would migrate some older databases without being asked.
    """
    found, wanted = _revision(database), _get_latest_schema_revision()
    if found == wanted:
        return
    if found is None:
        raise StoreError(f"{database} is not an MLflow database; move it away or choose another --home")
    if _is_known(found):
        advice = f"back it up, then run: mlflow db upgrade {uri_of(database)}"
    else:
        advice = "it was written by a newer MLflow: install that version, or choose another --home"
    raise StoreError(f"{database} has schema {found}, the installed MLflow wants {wanted}; {advice}")


def _revision(database: Path) -> str | None:
    rows = _ask(database, "SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if rows else None


def _is_known(revision: str) -> bool:
    """Whether the installed MLflow has a migration of that name, so that it can upgrade from it."""
    from mlflow.store import db_migrations  # noqa: PLC0415  (only on the way to an error)

    folder = Path(db_migrations.__file__).parent / "versions"
    return any(folder.glob(f"{revision}_*.py"))


def _known_place(database: Path) -> str | None:
    """Return the artifact folder that the database believes in, None if it says nothing."""
    rows = _ask(database, "SELECT artifact_location FROM experiments WHERE experiment_id = 0")
    return str(Path(rows[0][0]).parent) if rows else None


def _ask(database: Path, query: str) -> list[tuple[str]]:
    try:
        with closing(sqlite3.connect(database, timeout=LOCKED_SECONDS)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.Error as error:
        if "no such table" in str(error):
            return []
        raise fault_of(error, uri_of(database)) from error


def _move(database: Path, artifacts: Path) -> None:
    """Tell the database that its artifacts are now in `artifacts`."""
    with (
        FileLock(f"{database}.lock"),
        closing(sqlite3.connect(database, timeout=LOCKED_SECONDS)) as connection,
        connection,
    ):
        old = _known_place(database)
        if old in (None, str(artifacts)):
            return
        for table, column in _LOCATED:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (str(artifacts), len(f"{old}") + 1, len(f"{old}/"), f"{old}/"),
            )
