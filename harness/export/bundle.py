"""What `harness export` writes: weights, preprocessing as JSON, and code that runs without the harness.

`classify.py` reads image files and prints classes, `model.py` scores pixels. A network's is `network.py` beside this
file; a model that is none brings its own, `_export_NAME.py` beside its component, and its scores are compared.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

from harness.cell.saved import CELL, TASK, WEIGHTS
from harness.contracts import Cell, Choice, Dataset, Task
from harness.data.image_files import Reading
from harness.errors import HarnessError
from harness.export import card
from harness.export.card import File
from harness.export.program import (
    ONNX,
    PROGRAM,
    missing_for_onnx,
    require_close,
    tried_images,
    write_onnx,
    write_program,
)
from harness.matrix import cell_to_yaml
from harness.track import Store
from harness.track.fitted import FittedRun
from harness.train import NetworkClassifier

FILE: Final = "preprocessing.json"
EXAMPLE: Final = "classify.py"
MODEL: Final = "model.py"
COPIED: Final = {
    WEIGHTS: "all that was fitted, as named arrays (safetensors)",
    TASK: "classes, image shape, channel statistics",
}
_HERE: Final = Path(__file__).parent


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
    for name in COPIED:
        shutil.copyfile(fitted.folder / name, folder / name)
    shared, described = replace(fitted, cell=without_places(fitted.cell)), preprocessing_of(fitted)
    (folder / CELL).write_text(cell_to_yaml(shared.cell), encoding="utf-8")
    (folder / FILE).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    files = [File(name, what) for name, what in COPIED.items()]
    files.append(File(CELL, "the settings of the run, complete; of files of its data the names alone"))
    files.append(File(FILE, "what is done to an image first, and what the scores mean"))
    remarks: list[str] = []
    if isinstance(fitted.classifier, NetworkClassifier):
        files += _programs(fitted.classifier, fitted.task, folder, remarks)
    else:
        files += _own_code(fitted, described, folder, remarks)
    card.write_card(shared, store, files, remarks, folder / card.FILE)
    return Bundle(folder, (File(card.FILE, "the model card"), *files), tuple(remarks))


def preprocessing_of(fitted: FittedRun) -> dict[str, Any]:
    """Return the steps in the order in which they are taken, see `harness.data.image_files`, and what comes out."""
    task, model, reading = fitted.task, fitted.cell.model, Reading.of(fitted.cell.dataset.options)
    height, width, channels = task.shape
    probabilistic = fitted.classifier.probabilistic
    return {
        "model": {"name": model.name, **_named(model.options)},
        "decode": {
            "orientation": "as the camera noted it (EXIF)",
            "transparency": "laid over white",
            "depth": f"more than 8 bits of gray: {reading.white or 'the most that the file can hold'} becomes 255",
            "white": reading.white,
            "channel_order": "RGB" if channels == 3 else "gray (ITU-R 601 luma)",
        },
        "resize": {"height": height, "width": width, "method": "bilinear", "antialias": True, "keep_aspect": False},
        "channels": channels,
        "scale": {"divide_by": 255},
        "normalize": {"mean": list(task.mean), "std": list(task.std)},
        "input": {"layout": "NCHW", "dtype": "float32"},
        "output": {
            "classes": list(task.classes),
            "probabilistic": probabilistic,
            "scores": "logits; their softmax is a probability" if probabilistic else "margins; the largest wins",
        },
    }


def without_places(cell: Cell) -> Cell:
    """Return the cell with the names alone of its data's and model's files and folders: where they lie is private."""
    dataset, model = (_named(each.model_dump(mode="json")) for each in (cell.dataset, cell.model))
    return cell.model_copy(update={"dataset": Dataset.model_validate(dataset), "model": Choice.model_validate(model)})


def _named(value: Any) -> Any:
    match value:
        case str():
            return Path(value).name if Path(value).is_absolute() else value
        case dict():
            return {name: _named(each) for name, each in value.items()}
        case list():
            return [_named(each) for each in value]
    return value


def _programs(classifier: NetworkClassifier, task: Task, folder: Path, remarks: list[str]) -> Iterator[File]:
    """Write the network's programs and yield them; what cannot be written is remarked on."""
    try:
        write_program(classifier.network, classifier, task, folder / PROGRAM)
    except HarnessError as error:
        remarks.append(f"{error}; the weights are here, the architecture is not")
        return
    yield File(PROGRAM, "the network as a program of torch.export, weights included")
    yield from _code(_HERE / "network.py", folder)
    missing = missing_for_onnx()
    if missing:
        remarks.append(f"no ONNX file: {', '.join(missing)} not installed (the extra `onnx` has them)")
        return
    write_onnx(classifier.network, classifier, task, folder / ONNX)
    yield File(ONNX, "the network as ONNX, weights included")


def _own_code(fitted: FittedRun, described: dict[str, Any], folder: Path, remarks: list[str]) -> Iterator[File]:
    """Write the code that a model which is no network brings, and yield it; its scores are compared."""
    name = fitted.cell.model.name
    own = fitted.catalog.find("model", name).path.with_name(f"_export_{name}.py")
    if not own.is_file():
        remarks.append(
            f"no program: {name} brings none ({own.name} beside its component); the harness reads its arrays"
        )
        return
    yield from _code(own, folder)
    spec = spec_from_file_location(own.stem, own)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    images = tried_images(fitted.task)
    require_close(module.load(folder, described)(images), fitted.classifier.predict(images), folder / MODEL)


def _code(model: Path, folder: Path) -> Iterator[File]:
    shutil.copyfile(model, folder / MODEL)
    shutil.copyfile(_HERE / EXAMPLE, folder / EXAMPLE)
    yield File(EXAMPLE, "how to use it, without the harness: from an image file to classes")
    yield File(MODEL, "from pixels to scores")
