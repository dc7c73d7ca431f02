"""The exported HOG and linear SVM: needs numpy, scikit-image and safetensors, and model.safetensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from skimage.color import rgb2gray
from skimage.feature import hog

Scores = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From images [N, H, W, C] to scores [N, K]."""


def load(folder: Path, about: dict[str, Any]) -> Scores:
    """Return what scores images: margins, one class against the rest."""
    arrays, options = load_file(folder / "model.safetensors"), about["model"]

    def score(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = features(images, options) @ arrays["coef"].T + arrays["intercept"]
        seen = arrays["present"].astype(bool)  # a class without a training image comes last
        found[:, ~seen] = found[:, seen].min(axis=1, keepdims=True) - 1
        scores: NDArray[np.float32] = found.astype(np.float32)
        return scores

    return score


def features(images: NDArray[np.uint8], options: dict[str, Any]) -> NDArray[np.float64]:
    """Return histograms of oriented gradients [N, D] of the gray images; L2-Hys, scikit-image's own."""
    cell, block = options["pixels_per_cell"], options["cells_per_block"]
    grays = [rgb2gray(image) if image.shape[2] == 3 else image[..., 0] / 255.0 for image in images]
    return np.stack([hog(gray, options["orientations"], (cell, cell), (block, block)) for gray in grays])
