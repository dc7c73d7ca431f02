import shutil
from pathlib import Path

import pytest

from harness.execute.driver import run_plan
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings, make_plan
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.report import write_report
from harness.track import Store, open_store
from tests.audit.studies import MATRIX, STUDY, Quiet


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an empty store; creating one takes seconds, copying it does not."""
    home = tmp_path_factory.mktemp("empty")
    open_store(home)
    return home


@pytest.fixture(scope="session")
def studied_home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the study was run and reported, for real."""
    home = shutil.copytree(empty_home, tmp_path_factory.mktemp("studied") / "home")
    (home / "matrix.yaml").write_text(MATRIX)
    store, settings = open_store(home), RunSettings(home=home, device="cpu")
    plan = make_plan(load_study(home / "matrix.yaml", Catalog()), Catalog(), settings.cache_folder)
    outcomes = run_plan(plan, store, open_executor("inline", 1, 1), settings, Quiet())
    assert [(outcome.state, outcome.message) for outcome in outcomes] == [("finished", "")] * 3
    write_report(store, STUDY, home / "reports" / STUDY)
    return home


@pytest.fixture
def store(studied_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of the studied home's store, to be tampered with."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return open_store(shutil.copytree(studied_home, tmp_path / "home"))


@pytest.fixture
def empty_store(empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return open_store(shutil.copytree(empty_home, tmp_path / "home"))
