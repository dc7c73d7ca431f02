"""Real cells on digits, from the matrix file to the records."""

import os
import signal
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from harness.contracts import PlannedCell
from harness.contracts.running import CHECKPOINT, LAYERS, LAYERS_FILE
from harness.data import load_splits
from harness.execute.driver import run_plan
from harness.execute.executor import RUN_CELL, open_executor
from harness.execute.executors.local import LocalExecutor
from harness.execute.locks import folder_of
from harness.execute.plan import RunSettings, make_plan, states
from harness.files import generations
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.track import Store, open_store
from tests.execute.conftest import Diary

MATRIX = """
version: 1
study: digits
dataset: {name: digits, validation: {size: 200, seed: 0}}
seeds: [0]
experiments:
  floor: {model: majority}
  pixels: {model: logistic, test: never}
  deep: {model: mlp, recipe: {epochs: 1}}
"""


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_a_study_runs_from_file_to_records(store: Store, tmp_path: Path, executor: str) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(MATRIX)
    settings = RunSettings(home=store.home, device="cpu", workers=2)
    plan = make_plan(load_study(path, Catalog()), Catalog(), settings.cache_folder)

    outcomes = run_plan(plan, store, open_executor(executor, 2, 1), settings, Diary())

    assert [(each.state, each.message) for each in outcomes] == [("finished", "")] * 3
    assert {state.state for state in states(plan, store)} == {"done"}
    floor, pixels, deep = (store.record(each.run_id or "") for each in outcomes)
    assert floor.metrics["test/accuracy"] < 0.2
    assert pixels.metrics["val/accuracy"] > 0.85 and "test/accuracy" not in pixels.metrics
    assert (floor.tags["harness.test"], pixels.tags["harness.test"]) == ("opened", "never")
    assert {opening.key for opening in store.openings()} == {floor.key, deep.key}
    assert deep.params["recipe.epochs"] == "1"
    assert [step for step, _ in store.history(deep.run_id)["train/loss"]] == [1]
    expected = ("cell.yaml", "predictions/val.parquet", "predictions/test.parquet", "confusion.csv", "confusion.png")
    assert all(store.artifact(deep.run_id, name) for name in (*expected, "curves.png", "model/model.safetensors"))
    layers = LAYERS.validate_json((store.artifact(deep.run_id, LAYERS_FILE) or tmp_path).read_bytes())
    assert sum(each.parameters for each in layers) == deep.metrics["model/parameters"]
    assert store.artifact(floor.run_id, LAYERS_FILE) is None
    assert all(store.artifact(floor.run_id, name) for name in ("errors/thumbnails.png", "energy.json"))
    assert pixels.metrics["train/accuracy_plain"] > pixels.metrics["val/accuracy"]
    assert store.artifact(pixels.run_id, "predictions/test.parquet") is None


def test_the_logged_model_predicts_what_the_cell_predicted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(MATRIX)
    settings = RunSettings(home=store.home, device="cpu")
    study = load_study(path, Catalog(), only="pixels")
    plan = make_plan(study, Catalog(), settings.cache_folder)
    (outcome,) = run_plan(plan, store, open_executor("inline", 1, 1), settings, Diary())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import pyfunc

        (logged,) = store.client.search_logged_models(experiment_ids=[experiment_id(store)])
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
        model = pyfunc.load_model(f"runs:/{outcome.run_id}/model")
    (planned,) = plan.cells
    validation = load_splits(planned.cell.dataset, Catalog(), settings.cache_folder).validation
    predicted = pd.read_parquet(store.artifact(outcome.run_id or "", "predictions/val.parquet") or "")
    assert logged.source_run_id == outcome.run_id
    assert predicted["index"].tolist() == validation.index.tolist()
    scores = predicted.filter(like="score_").to_numpy()
    assert np.allclose(model.predict(np.asarray(validation.images)), scores, rtol=0, atol=1e-6)
    required = Path(logged.artifact_location, "requirements.txt").read_text()
    assert "harness" not in required and "torch==" in required  # that name is another project's on the index


def experiment_id(store: Store) -> str:
    return str(store.client.get_experiment_by_name("digits").experiment_id)


LONG = """
version: 1
study: digits
dataset: {name: digits, validation: {size: 200, seed: 0}, limit: {train: 300, test: 100}}
seeds: [0]
experiments:
  deep:
    model: {name: mlp, dropout: 0.2}
    recipe: {epochs: 30, batch_size: 16, checkpoint: {epochs: null, minutes: null}}
"""


class Preempting(Diary):
    """Has the first worker told to end after two epochs of it, and the driver after two of the second one."""

    def __init__(self, worker: Callable[[], int]) -> None:
        super().__init__()
        self._worker, self._reached = worker, 0

    def started(self, planned: PlannedCell, device: str) -> None:
        super().started(planned, device)
        self._reached = max((epoch for _, epoch in self.epochs), default=0)

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        super().epoch(planned, epoch, metrics)
        if epoch != self._reached + 2:
            return
        if len(self.started_keys) == 1:
            os.kill(self._worker(), signal.SIGUSR1)
        else:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_preempted_worker_and_driver_save_checkpoints_and_the_cell_ends_with_the_same_bits(
    store: Store, tmp_path: Path
) -> None:
    """No checkpoint is due by itself: what is gone on from was saved because of the signal."""
    path = tmp_path / "matrix.yaml"
    path.write_text(LONG)
    settings = RunSettings(home=store.home, device="cpu", retry=1)
    plan = make_plan(load_study(path, Catalog()), Catalog(), settings.cache_folder)
    saved = folder_of(store.home, plan.cells[0].key) / CHECKPOINT

    executor = LocalExecutor(1, 1, RUN_CELL)
    preempted = Preempting(lambda: executor.pids[0])
    (outcome,) = run_plan(plan, store, executor, settings, preempted)
    assert outcome.state == "interrupted"
    steps = [len(torch.load(each, weights_only=True)["state"]["history"]) for each in generations(saved)]
    assert len(steps) == 2 and 0 < min(steps) < max(steps) < 30

    (outcome,) = run_plan(plan, store, open_executor("inline", 1, 1), settings, Diary())
    quiet = open_store(tmp_path / "quiet")
    settings = replace(settings, home=quiet.home)
    (expected,) = run_plan(plan, quiet, open_executor("inline", 1, 1), settings, Diary())
    ended, whole = store.record(outcome.run_id or ""), quiet.record(expected.run_id or "")
    assert ended.tags["harness.model_digest"] == whole.tags["harness.model_digest"]
