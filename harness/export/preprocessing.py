"""What is to be done to an image before the model sees it, as JSON that says all of it."""

from __future__ import annotations

from typing import Any, Final

from harness.contracts import Task

FILE: Final = "preprocessing.json"


def preprocessing_of(task: Task, probabilistic: bool) -> dict[str, Any]:
    """Return the steps in the order in which they are taken, see `harness.data.images`, and what comes out."""
    height, width, channels = task.shape
    return {
        "decode": {
            "orientation": "as the camera noted it (EXIF)",
            "transparency": "laid over white",
            "depth": "16-bit gray is divided by 257",
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
