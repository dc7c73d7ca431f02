"""The exported network: needs torch and numpy, and model.pt2."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Scores = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From images [N, H, W, C] to scores [N, K]."""


def load(folder: Path, about: dict[str, Any]) -> Scores:
    """Return what scores images: the program in `folder`, after what preprocessing.json says."""
    network = torch.export.load(folder / "model.pt2").module()

    def scores(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = network(prepare(images, about)).numpy()
        return found

    return scores


def prepare(images: NDArray[np.uint8], about: dict[str, Any]) -> torch.Tensor:
    """Return images uint8 [N, H, W, C] as the network takes them: float32 [N, C, H, W], normalized."""
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / about["scale"]["divide_by"]
    mean, std = (torch.tensor(about["normalize"][name])[:, None, None] for name in ("mean", "std"))
    normalized: torch.Tensor = (pixels - mean) / std
    return normalized.contiguous()
