"""A lab and a field: opened together once, each with its own figures, recomputed by the audit."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.audit.data import check_labels
from harness.audit.figures import check_figures
from harness.audit.openings import check_openings
from harness.contracts import Dataset, Outcome, SealedSet
from harness.data import load_splits, open_tests, sealed_set
from harness.errors import DataError
from harness.execute.driver import run_plan
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings, make_plan
from harness.matrix import load_study
from harness.measure.predictions import read_predictions
from harness.plugins import Catalog
from harness.report import write_report
from harness.track import Store, open_store
from tests.audit.studies import STUDY, Quiet, artifact, evidence_of, faults, forge, run_of

MATRIX = """
version: 1
study: digits
dataset: {name: npz, train: train.npz, test: {lab: lab.npz, field: field.npz}, validation: {size: 20}}
seeds: [0]
experiments:
  pixels: {model: logistic}
"""


def make_arrays(folder: Path) -> None:
    """Write images that are dark or light by their class; in the field half of them are the other way round."""
    random = np.random.default_rng(0)
    for name, count in (("train", 80), ("lab", 30), ("field", 40), ("elsewhere", 24)):
        labels = np.arange(count) % 2
        shades = labels if name in {"train", "lab"} else labels ^ (np.arange(count) < count // 2)
        images = random.integers(0, 90, (count, 6, 6)) + 150 * shades[:, None, None]
        split = "train" if name == "train" else "test"
        arrays: dict[str, Any] = {f"x_{split}": images.astype(np.uint8), f"y_{split}": labels}
        np.savez(folder / f"{name}.npz", **arrays)


def run_in(home: Path) -> Sequence[Outcome]:
    store, settings = open_store(home), RunSettings(home=home, device="cpu")
    plan = make_plan(load_study(home / "matrix.yaml", Catalog()), Catalog(), settings.cache_folder)
    outcomes = run_plan(plan, store, open_executor("inline", 1, 1), settings, Quiet())
    assert [(outcome.state, outcome.message) for outcome in outcomes if outcome.state == "failed"] == []
    return outcomes


@pytest.fixture(scope="module")
def fielded_home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = shutil.copytree(empty_home, tmp_path_factory.mktemp("fielded") / "home")
    (home / "matrix.yaml").write_text(MATRIX)
    make_arrays(home)
    run_in(home)
    return home


@pytest.fixture
def fielded(fielded_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return open_store(shutil.copytree(fielded_home, tmp_path / "home"))


def test_one_opening_gives_each_set_its_own_figures(fielded: Store) -> None:
    run = run_of(fielded, "pixels")
    assert (run.metrics["test/accuracy"], run.metrics["test_field/accuracy"]) == (1.0, 0.5)
    said = {name: read_predictions(artifact(fielded, "pixels", f"predictions/{name}.parquet")) for name in SPLITS}
    assert [len(each.labels) for each in said.values()] == [30, 40]
    assert len(fielded.openings([run.key])) == 1
    confusion = artifact(fielded, "pixels", "report.json").read_text()
    assert json.loads(confusion)["accuracy"] == 1.0


SPLITS = ("test", "test_field")


def test_a_run_again_opens_nothing_and_another_field_is_another_opening(fielded: Store) -> None:
    (again,) = run_in(fielded.home)
    assert again.state == "skipped"
    key = run_of(fielded, "pixels").key
    text = (fielded.home / "matrix.yaml").read_text()
    (fielded.home / "matrix.yaml").write_text(text.replace("field: field.npz", "field: elsewhere.npz"))
    (other,) = run_in(fielded.home)
    assert (other.state, other.planned.key) == ("finished", key)
    assert len({opening.test_files for opening in fielded.openings([key])}) == 2


def test_the_audit_recomputes_each_set(fielded: Store) -> None:
    evidence = evidence_of(fielded)
    assert [each for check in CHECKS for each in faults(check(evidence))] == []
    run = run_of(fielded, "pixels")
    forge(
        fielded, "UPDATE latest_metrics SET value = 0.75 WHERE run_uuid = ? AND key = 'test_field/accuracy'", run.run_id
    )
    wanted = "test_field/accuracy is 0.75 in the store, 0.5 by its predictions"
    assert faults(check_figures(evidence_of(fielded))) == [("pixels s0", wanted)]
    artifact(fielded, "pixels", "predictions/test_field.parquet").unlink()
    (lost,) = faults(check_figures(evidence_of(fielded)))
    assert lost[1] == "test_field/accuracy is in the store, but predictions/test_field.parquet is gone"


CHECKS = (check_figures, check_openings, check_labels)


def test_the_report_has_a_column_a_set_and_tells_a_large_drop(fielded: Store, tmp_path: Path) -> None:
    write_report(fielded, STUDY, tmp_path / "report")
    text = (tmp_path / "report" / "results.md").read_text()
    assert "| lab top-1 % | field top-1 % |" in text
    assert (
        "What was learned does not carry over from one test set to another: pixels from 100.00 % on lab to 50.00 %"
        in text
    )
    assert "drop to field" in text


def test_a_set_that_is_missing_costs_no_opening_of_the_others(tmp_path: Path) -> None:
    make_arrays(tmp_path)
    (tmp_path / "field.npz").unlink()
    several = several_of(tmp_path)
    load_splits(several, Catalog(), tmp_path)
    with pytest.raises(DataError, match=r"the test split of npz is missing: .*field\.npz"):
        open_tests(several, Catalog(), tmp_path, lambda _: pytest.fail("opened"))


def test_an_exchanged_set_costs_no_opening(tmp_path: Path) -> None:
    make_arrays(tmp_path)
    several = several_of(tmp_path)
    planned = sealed_set(several, Catalog(), tmp_path)
    shutil.copy(tmp_path / "elsewhere.npz", tmp_path / "field.npz")
    with pytest.raises(DataError, match="have changed since the plan was made"):
        open_tests(several, Catalog(), tmp_path, lambda _: pytest.fail("opened"), planned)
    openings: list[SealedSet] = []
    found = open_tests(several, Catalog(), tmp_path, openings.append)
    assert ({split: len(each) for split, each in found.items()}, len(openings)) == ({"test": 30, "test_field": 24}, 1)
    assert len(list((tmp_path / "decoded").glob("npz-train-*"))) == 2  # the folder and its lock: decoded once


def several_of(folder: Path) -> Dataset:
    tests = {"lab": str(folder / "lab.npz"), "field": str(folder / "field.npz")}
    return Dataset.model_validate({"name": "npz", "train": str(folder / "train.npz"), "test": tests})
