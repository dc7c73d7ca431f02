"""The MLflow model of a cell: "models from code" over the cell's saved classifier, without pickle."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from mlflow.entities import LoggedModelOutput
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from harness.track.artifacts import RunFiles

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns of the annotations of its own classes
    from mlflow import pyfunc

NAME: Final = "model"
CODE: Final = Path(__file__).with_name("served.py")
logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # it misses pip in environments without it
REQUIREMENTS: Final = ("torch", "numpy", "safetensors")
"""What pip can install. The harness itself is not on a package index, where its short name belongs to others."""


def log_model(
    client: Any, files: RunFiles, run_id: str, folder: Path, *, plugins: Sequence[Path], saved: Path | None
) -> str:
    """Log a saved classifier as the run's model and return the model's id.

    `mlflow.pyfunc.load_model("runs:/RUN/model")` then predicts scores float32 [N, K] from images uint8
    [N, H, W, C], where the harness is installed. All models have one name, by which that address finds them.

    Args:
        client: The store's client.
        files: The store's files.
        run_id: The run.
        folder: The saved classifier.
        plugins: Folders of components that are none of ours.
        saved: The classifier among the run's own files, if the model's can be the same on disk.
    """
    run = client.get_run(run_id)
    logged = client.create_logged_model(
        run.info.experiment_id,
        name=NAME,
        source_run_id=run_id,
        params=run.data.params,
        model_type="classifier",
    )
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    with tempfile.TemporaryDirectory() as beside:
        path = Path(beside) / NAME
        _save(path, folder, plugins, Model(run_id=run_id, model_uuid=logged.model_id, model_id=logged.model_id))
        files.put_at(logged.artifact_location, path)
    if saved is not None:
        _share_files(saved, Path(logged.artifact_location))
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)


def _save(path: Path, folder: Path, plugins: Sequence[Path], model: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on type hints and input examples; the signature is given
        pyfunc.save_model(
            path=str(path),
            python_model=str(CODE),
            artifacts={NAME: str(folder)},
            mlflow_model=model,
            signature=_signature(json.loads((folder / "task.json").read_text())),
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS],
            model_config={"plugins": [str(plugin) for plugin in plugins]},
        )


def _signature(task: dict[str, Any]) -> Any:
    images = TensorSpec(np.dtype(np.uint8), (-1, *task["shape"]))
    scores = TensorSpec(np.dtype(np.float32), (-1, len(task["classes"])))
    return ModelSignature(inputs=Schema([images]), outputs=Schema([scores]))


def _share_files(saved: Path, logged: Path) -> None:
    """Make the weights of a logged model and of the run's artifacts one file each, to halve the disk they take."""
    for original in saved.iterdir():
        copy = logged / "artifacts" / saved.name / original.name
        if not copy.is_file():
            continue
        beside = copy.with_suffix(".link")
        with suppress(OSError):  # a file system without hard links keeps two copies
            os.link(original, beside)
            beside.replace(copy)
