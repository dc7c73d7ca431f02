"""What every test shares: one thread, the folders of a user's own components, and how homes come about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.track import embedded

MEMORY, ROOM = Path("/dev/shm"), 4 * 2**30
_CREATE = embedded._create


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--plugins",
        action="append",
        default=[],
        dest="component_folders",
        type=Path,
        metavar="DIR",
        help="run tests/contracts on the components of this folder instead of the built-in ones",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tests run side by side, so each keeps to one thread, its subprocesses too. Their files lie in memory.

    On a disk the many small writes of stores, each of them waited for until it is safe, take a third of the time.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(autouse=True, scope="session")
def _copied_homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new home gets a copy of a database that MLflow has made: its migrations take seconds, a copy does not."""
    template = tmp_path_factory.mktemp("template") / embedded.DATABASE

    def copy(database: Path, artifacts: Path) -> None:
        if not template.exists():
            _CREATE(template, template.parent / embedded.ARTIFACTS)
        artifacts.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, database.with_suffix(".copy"))
        database.with_suffix(".copy").rename(database)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "_create", copy)
        yield


@pytest.fixture
def migrated_homes(_copied_homes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow makes the database of a new home, as for users."""
    monkeypatch.setattr(embedded, "_create", _CREATE)
