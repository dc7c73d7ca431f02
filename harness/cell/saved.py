"""A fitted classifier as a folder: weights, the cell, the task. No pickle, no code.

`model.safetensors` holds the state, `cell.yaml` the resolved cell, `task.json` classes, image
shape and channel statistics: together all that is needed to predict.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from pydantic import TypeAdapter
from safetensors.numpy import load_file, save_file

from harness.contracts import Cell, Classifier, Task
from harness.errors import TrainingError
from harness.matrix import cell_from_yaml, cell_to_yaml
from harness.plugins import Catalog
from harness.seeds import file_digest, seed_for
from harness.train import NetworkClassifier

WEIGHTS: Final = "model.safetensors"
CELL: Final = "cell.yaml"
TASK: Final = "task.json"
_TASKS: Final = TypeAdapter(Task)
"""From and to JSON."""


def build_classifier(
    cell: Cell,
    task: Task,
    catalog: Catalog,
    device: torch.device,
    *,
    checkpoint: Path | None = None,
    max_batches: int | None = None,
    parts: int = 1,
) -> Classifier:
    """Return the cell's classifier, unfitted; the same cell and task give the same initial weights.

    `parts` says in how many micro-batches a network takes each batch.
    """
    model = catalog.realize("model", cell.model.name, cell.model.options)
    if cell.recipe is None:
        classical: Classifier = model.build_on(task, seed_for(cell.seed, "weights"), str(device))
        return classical
    return NetworkClassifier(model, cell.recipe, task, cell.seed, device, catalog, checkpoint, max_batches, parts)


def save_classifier(classifier: Classifier, cell: Cell, task: Task, folder: Path) -> None:
    """Write the three files into an existing folder.

    Raises:
        TrainingError: the classifier's state is not arrays by their names.
    """
    state: object = classifier.state()
    if not isinstance(state, dict) or not all(isinstance(value, np.ndarray) for value in state.values()):
        kinds = {type(each).__name__ for each in (state.values() if isinstance(state, dict) else [state])} - {"ndarray"}
        wanted = "a dict of NumPy arrays by their names"
        raise TrainingError(f"{cell.model.name}: state() gives {', '.join(sorted(kinds))}, where {wanted} is wanted")
    save_file({name: value.copy(order="C") for name, value in state.items()}, folder / WEIGHTS)
    (folder / CELL).write_text(cell_to_yaml(cell))
    (folder / TASK).write_bytes(_TASKS.dump_json(task, indent=2))


def load_classifier(folder: Path, catalog: Catalog, device: torch.device) -> tuple[Classifier, Task]:
    """Return the fitted classifier that `save_classifier` wrote, with its task."""
    cell = cell_from_yaml((folder / CELL).read_text())
    task = _TASKS.validate_json((folder / TASK).read_bytes())
    classifier = build_classifier(cell, task, catalog, device)
    classifier.load_state(load_file(folder / WEIGHTS))
    return classifier, task


def model_digest(folder: Path) -> str:
    """Return the digest of the saved weights that the ledger records."""
    return file_digest(folder / WEIGHTS)
