"""The fitted model of a run, as it was evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.cell.saved import CELL, load_classifier, model_digest
from harness.contracts import Cell, Classifier, Task
from harness.errors import InputError, StoreError
from harness.matrix import cell_from_yaml
from harness.plugins import Catalog
from harness.track.finding import find_run, require_finished
from harness.track.runs import Record
from harness.track.store import Store


@dataclass(frozen=True, slots=True)
class FittedRun:
    """A finished run with its classifier, on the CPU; `folder` holds the files of the saved model."""

    record: Record
    cell: Cell
    task: Task
    classifier: Classifier
    folder: Path
    catalog: Catalog


def load_fitted(store: Store, asked: str, plugins: Sequence[Path]) -> FittedRun:
    """Return the run that is meant with its model.

    Raises:
        InputError: there is no such run, it is not finished, or its components are not to be found.
        StoreError: the model is missing in the store, or is not the one that was evaluated.
    """
    record = require_finished(find_run(store, asked))
    folder = store.artifact(record.run_id, "model")
    if folder is None:
        raise StoreError(f"run {record.name} ({record.run_id}) has no model in the store")
    _require_evaluated(record, folder)
    catalog = Catalog(plugins)
    try:
        classifier, task = load_classifier(folder, catalog, torch.device("cpu"))
    except InputError as error:
        raise InputError(f"{error}\nif it is a component of your own, name its folder with --plugins") from error
    return FittedRun(record, cell_from_yaml((folder / CELL).read_text()), task, classifier, folder, catalog)


def _require_evaluated(record: Record, folder: Path) -> None:
    """Compare the weights with the digest that was recorded before they met the test images."""
    recorded, found = record.tags.get("harness.model_digest"), model_digest(folder)
    if recorded not in (None, found):
        raise StoreError(f"{folder}: the weights (digest {found}) are not those that were evaluated ({recorded})")
