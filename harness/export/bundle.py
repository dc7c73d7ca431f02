"""What `harness export` writes: weights, preprocessing as JSON, programs that run without the harness."""

from __future__ import annotations

import io
import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn

from harness.cell.saved import CELL, TASK, WEIGHTS
from harness.contracts import Classifier, Task
from harness.data.image_files import Reading
from harness.errors import HarnessError
from harness.export import card
from harness.export.card import File
from harness.track import Store
from harness.track.fitted import FittedRun
from harness.train import NetworkClassifier
from harness.train.batches import Normalize, as_float

if TYPE_CHECKING:
    from numpy.typing import NDArray


FILE: Final = "preprocessing.json"


def preprocessing_of(task: Task, probabilistic: bool, reading: Reading) -> dict[str, Any]:
    """Return the steps in the order in which they are taken, see `harness.data.image_files`, and what comes out."""
    height, width, channels = task.shape
    return {
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
            "scores": "logits; their softmax is a probability" if probabilistic else "margins; the largest wins",
        },
    }


PROGRAM: Final = "model.pt2"
ONNX: Final = "model.onnx"
CLOSE: Final = 1e-4
"""How far an exported program's scores may be from the classifier's, of the largest score."""
ONNX_PACKAGES: Final = ("onnx", "onnxscript", "onnxruntime")
_TRIED: Final = 64


def write_program(network: nn.Module, classifier: Classifier, task: Task, path: Path) -> None:
    """Write torch's exported program, from normalized images float32 [N, C, H, W] to logits, any N.

    Args:
        network: The classifier's network, on the CPU.
        classifier: What the program is compared with.
        task: Image shape and channel statistics.
        path: The .pt2 file.

    Raises:
        HarnessError: torch cannot export this network, or the program's scores are others.
    """
    batch = torch.export.Dim("batch", min=1)
    with _evaluating_plainly(network):
        try:
            program = torch.export.export(network, (_example(task),), dynamic_shapes=({0: batch},))
            torch.export.save(program, path)
        except (RuntimeError, TypeError, ValueError, NotImplementedError, AssertionError) as error:
            path.unlink(missing_ok=True)
            raise HarnessError(f"torch.export cannot export this network: {str(error).splitlines()[0]}") from error
    loaded = torch.export.load(path).module()
    images = tried_images(task)
    with torch.inference_mode():
        _require_close(loaded(_normalized(images, task)).numpy(), classifier.predict(images), path)


def missing_for_onnx() -> tuple[str, ...]:
    """Return which packages of the extra `onnx` are not installed."""
    return tuple(name for name in ONNX_PACKAGES if find_spec(name) is None)


def write_onnx(network: nn.Module, classifier: Classifier, task: Task, path: Path) -> None:
    """Write the network as ONNX, input `images`, output `scores`, and compare its scores by onnxruntime.

    Raises:
        HarnessError: the scores are others.
    """
    with _evaluating_plainly(network), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        torch.onnx.export(
            network,
            (_example(task),),
            path,
            dynamo=True,
            input_names=["images"],
            output_names=["scores"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            external_data=False,
            verbose=False,
        )
    session = import_module("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    images = tried_images(task)
    (scores,) = session.run(None, {"images": _normalized(images, task).numpy()})
    _require_close(scores, classifier.predict(images), path)


def tried_images(task: Task) -> NDArray[np.uint8]:
    """Return the images uint8 [N, H, W, C] that programs are compared on: noise, one all black, one all white."""
    images = np.random.default_rng(0).integers(0, 256, (_TRIED, *task.shape), dtype=np.uint8)
    images[0], images[1] = 0, 255
    return images


def _example(task: Task) -> torch.Tensor:
    height, width, channels = task.shape
    return torch.zeros(2, channels, height, width)  # with one image torch would take the number for fixed


def _normalized(images: NDArray[np.uint8], task: Task) -> torch.Tensor:
    return Normalize(task, torch.device("cpu"))(as_float(torch.from_numpy(images))).contiguous()


@contextmanager
def _evaluating_plainly(network: nn.Module) -> Iterator[None]:
    """Put the network in evaluation mode, plain in memory: torch saves weights in channels-last order badly."""
    network.to(memory_format=torch.contiguous_format).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch warns of its own parts
        yield


def _require_close(found: NDArray[np.float32], wanted: NDArray[np.float32], path: Path) -> None:
    apart = float(np.abs(found - wanted).max())
    if not apart <= CLOSE * max(1.0, float(np.abs(wanted).max())):
        path.unlink(missing_ok=True)
        raise HarnessError(f"{path.name}: its scores are up to {apart:.3g} from the model's; it was not kept")


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
    described = preprocessing_of(fitted.task, fitted.classifier.probabilistic, Reading.of(fitted.cell.dataset.options))
    (folder / FILE).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n")
    files.append(File(FILE, "what is done to an image first, and what the scores mean"))
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
