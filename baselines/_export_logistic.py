"""The exported logistic regression: needs numpy and safetensors, and model.safetensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Scores = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From images [N, H, W, C] to scores [N, K]."""


def load(folder: Path, about: dict[str, Any]) -> Scores:
    """Return what scores images: logits, whose softmax is a probability."""
    arrays = load_file(folder / "model.safetensors")
    mean = np.asarray(about["normalize"]["mean"], np.float32)
    std = np.asarray([each or 1.0 for each in about["normalize"]["std"]], np.float32)

    def score(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = (images.astype(np.float32) / np.float32(255) - mean) / std
        found = pixels.reshape(len(images), -1) @ arrays["coef"].T + arrays["intercept"]
        seen = arrays["present"].astype(bool)  # a class without a training image comes last
        found[:, ~seen] = found[:, seen].min(axis=1, keepdims=True) - 1
        scores: NDArray[np.float32] = found.astype(np.float32)
        return scores

    return score
