from pathlib import Path

import pytest

from harness.track import Store, open_store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    open_store(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return open_store(home)
