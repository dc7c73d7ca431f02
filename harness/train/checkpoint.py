"""A training's state as a file that is whole or absent, for resuming to the same bits."""

from __future__ import annotations

import logging
import os
import pickle
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import torch

from harness.contracts import CheckpointEvery, LabeledImages, NetworkModel, Recipe

FORMAT: Final = 1
_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class CheckpointFile:
    """Where a training's checkpoints go and when one is due.

    `identity` tells trainings apart: the file of another one is never resumed from.
    """

    path: Path
    identity: str
    every: CheckpointEvery
    _saved_at: float = field(default_factory=time.monotonic)

    def is_due(self, epochs_done: int | None = None) -> bool:
        """Whether to save now: after a step (None), or after the epoch that makes `epochs_done`."""
        if self.every.minutes is not None and time.monotonic() - self._saved_at >= 60 * self.every.minutes:
            return True
        return bool(epochs_done and self.every.epochs and epochs_done % self.every.epochs == 0)

    def save(self, state: dict[str, Any]) -> None:
        """Write beside the file, flush to disk, then rename over it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        with beside.open("wb") as file:
            torch.save({"format": FORMAT, "identity": self.identity, "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        self._saved_at = time.monotonic()

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return the saved state, tensors on the device; None where there is nothing to go on from.

        A file that is damaged, or that another training wrote (other recipe, model, data, seed or
        kind of device), is reported as a warning and left until the next save replaces it: the
        training starts over, which gives the same result later.
        """
        try:
            saved = torch.load(self.path, map_location=device, weights_only=True)
        except FileNotFoundError:
            return None
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
            _LOG.warning("%s: damaged checkpoint, starting over (%s)", self.path, error)
            return None
        if not isinstance(saved, dict) or (saved.get("format"), saved.get("identity")) != (FORMAT, self.identity):
            _LOG.warning("%s: checkpoint of another training, starting over", self.path)
            return None
        state: dict[str, Any] = saved["state"]
        return state


def identity_of(
    model: NetworkModel, recipe: Recipe, course: tuple[object, ...], data: tuple[LabeledImages | None, ...]
) -> str:
    """Return a digest of all that a training's course depends on but the pixels.

    Args:
        model: Name, revision and options count.
        recipe: All of it counts but how often checkpoints are made.
        course: Further values with a `repr` that tells them apart.
        data: Positions in the source and labels count.
    """
    parts = [type(model).__name__, model.revision, model.model_dump(mode="json"), course]
    digest = sha256(repr([*parts, recipe.model_dump(mode="json", exclude={"checkpoint"})]).encode())
    for images in data:
        digest.update(b"none" if images is None else images.index.tobytes() + images.labels.tobytes())
    return digest.hexdigest()
