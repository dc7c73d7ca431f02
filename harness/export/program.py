"""A network as a program of torch's and as ONNX, weights included, each compared with what it was made of."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn

from harness.contracts import Classifier, Task
from harness.errors import HarnessError
from harness.train.batches import Normalize, as_float

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        require_close(loaded(_normalized(images, task)).numpy(), classifier.predict(images), path)


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
    require_close(scores, classifier.predict(images), path)


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


def require_close(found: NDArray[np.float32], wanted: NDArray[np.float32], path: Path) -> None:
    """Remove a file and raise HarnessError if its scores [N, K] are not those that they should be."""
    apart = float(np.abs(found - wanted).max())
    if not apart <= CLOSE * max(1.0, float(np.abs(wanted).max())):
        path.unlink(missing_ok=True)
        raise HarnessError(f"{path.name}: its scores are up to {apart:.3g} from the model's; it was not kept")
