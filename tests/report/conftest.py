from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.studies import KeptStore


@pytest.fixture
def store(tmp_path: Path) -> KeptStore:
    return KeptStore(tmp_path / "artifacts")
