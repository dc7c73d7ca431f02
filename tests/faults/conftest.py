from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.track import Store, open_store


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an empty store; creating one takes seconds, copying it does not."""
    home = tmp_path_factory.mktemp("template")
    open_store(home)
    return home


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "HARNESS_OPTUNA_STORAGE", "HARNESS_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Store:
    return open_store(shutil.copytree(template, tmp_path / "home"))
