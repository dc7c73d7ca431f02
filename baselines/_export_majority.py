"""The exported most frequent class: needs numpy and safetensors, and model.safetensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Scores = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From images [N, H, W, C] to scores [N, K]."""


def load(folder: Path, about: dict[str, Any]) -> Scores:
    """Return what scores images: the logarithms of the classes' frequencies, whatever an image shows."""
    del about
    counts = np.maximum(load_file(folder / "model.safetensors")["counts"], 0.5)
    logarithms = np.log(counts / counts.sum()).astype(np.float32)
    return lambda images: np.tile(logarithms, (len(images), 1))
