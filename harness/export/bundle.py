"""What `harness export` writes, file by file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import HarnessError
from harness.export import card, preprocessing
from harness.export.card import File
from harness.export.program import ONNX, PROGRAM, missing_for_onnx, write_onnx, write_program
from harness.saved_model import CELL, TASK, WEIGHTS
from harness.track import Store
from harness.track.fitted import FittedRun
from harness.train import NetworkClassifier

EXAMPLE: Final = "classify.py"
SAVED: Final = {
    WEIGHTS: "all that was fitted, as named arrays (safetensors)",
    CELL: "the settings of the run, complete",
    TASK: "classes, image shape, channel statistics",
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """The written files, and what could not be exported and why."""

    folder: Path
    files: tuple[File, ...]
    remarks: tuple[str, ...]


def write_bundle(fitted: FittedRun, store: Store, folder: Path) -> Bundle:
    """Write weights, preprocessing, programs and the model card into an existing folder.

    Raises:
        HarnessError: an exported program gives other scores than the model.
    """
    for name in SAVED:
        shutil.copyfile(fitted.folder / name, folder / name)
    files = [File(name, what) for name, what in SAVED.items()]
    described = preprocessing.preprocessing_of(fitted.task, fitted.classifier.probabilistic)
    (folder / preprocessing.FILE).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n")
    files.append(File(preprocessing.FILE, "what is done to an image first, and what the scores mean"))
    remarks: list[str] = []
    if isinstance(fitted.classifier, NetworkClassifier):
        files += _programs(fitted, fitted.classifier, folder, remarks)
    card.write_card(fitted, store, files, remarks, folder / card.FILE)
    return Bundle(folder, (File(card.FILE, "the model card"), *files), tuple(remarks))


def _programs(fitted: FittedRun, classifier: NetworkClassifier, folder: Path, remarks: list[str]) -> Iterator[File]:
    """Write the network's programs and yield them; what cannot be written is remarked on."""
    try:
        write_program(classifier.network, classifier, fitted.task, folder / PROGRAM)
    except HarnessError as error:
        remarks.append(f"{error}; the weights are here, the architecture is not")
        return
    yield File(PROGRAM, "the network as a program of torch.export, weights included")
    shutil.copyfile(Path(__file__).with_name(EXAMPLE), folder / EXAMPLE)
    yield File(EXAMPLE, "how to use it, without the harness")
    missing = missing_for_onnx()
    if missing:
        remarks.append(f"no ONNX file: {', '.join(missing)} not installed (the extra `onnx` has them)")
        return
    write_onnx(classifier.network, classifier, fitted.task, folder / ONNX)
    yield File(ONNX, "the network as ONNX, weights included")
