"""A home in which two small studies have been run, as the commands about finished runs need it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from harness.cli.options import app
from harness.contracts import SilentWatcher
from harness.data import open_test
from harness.execute.driver import run_plan
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings, make_plan
from harness.matrix import load_study
from harness.measure.environment import usable_cores
from harness.measure.predictions import Predictions, read_predictions
from harness.plugins import Catalog
from harness.track import Record, Store, open_store

MATRIX = """\
version: 1
study: tiny
dataset: {name: digits, validation: {size: 200}, limit: {train: 400, test: 120}}
seeds: [0]
defaults: {recipe: {epochs: 3, batch_size: 50, optimizer: {name: sgd, lr: 0.05}}}
experiments:
  floor: {model: majority}
  hog: {model: {name: hog_svm, pixels_per_cell: 2}}
  cnn: {model: {name: small_cnn, width: 4}, seeds: [0, 1]}
  sealed: {model: {name: mlp, hidden: 8}, test: never}
"""
OTHER = """\
version: 1
study: other
dataset: {name: digits, validation: {size: 150, seed: 1}, limit: {train: 300, test: 80}}
seeds: [0]
experiments:
  floor: {model: majority}
"""


def make_home(folder: Path) -> Path:
    """Run both studies, without their reports, and return the home; the matrix files lie beside it."""
    home = folder / "home"
    store = open_store(home)
    for name, text in (("tiny.yaml", MATRIX), ("other.yaml", OTHER)):
        (folder / name).write_text(text)
        run_file(folder / name, store)
    return home


def run_file(path: Path, store: Store) -> None:
    """Run a matrix file in this process, with one thread, and see that each of its cells is finished."""
    settings = RunSettings(home=store.home, device="cpu", workers=usable_cores())
    plan = make_plan(load_study(path, Catalog()), Catalog(), settings.cache_folder)
    outcomes = run_plan(plan, store, open_executor("inline", 1, 1), settings, SilentWatcher())
    assert {outcome.state for outcome in outcomes} <= {"finished", "skipped"}, outcomes


def harness(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments])


def record_of(home: Path, name: str, study: str = "tiny") -> Record:
    """Return the run of that name."""
    return next(record for record in open_store(home).records(study) if record.name == name)


def logged_scores(home: Path, run_id: str, split: str = "test") -> Predictions:
    """Return what a run predicted."""
    path = open_store(home).artifact(run_id, f"predictions/{split}.parquet")
    assert path is not None
    return read_predictions(path)


def images_of(home: Path, study: str = "tiny") -> NDArray[np.uint8]:
    """Return the test images of a study in the order of its predictions, uint8 [N, H, W, C]."""
    store = open_store(home)
    plan = store.plan(study)
    assert plan is not None
    found: NDArray[np.uint8] = open_test(plan.cells[0].cell.dataset, Catalog(), home / "cache", lambda _: None).images
    return found
