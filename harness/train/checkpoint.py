"""A training's state as a file that is whole or absent, for resuming to the same bits.

The file before the newest is kept too, and goes on where the newest is damaged.
"""

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
from harness.files import generations, is_sealed, remove, write_sealed
from harness.interrupts import is_pending

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
        """Whether to save now: after a step (None), or after the epoch that makes `epochs_done`.

        It is when an interrupt waits for that.
        """
        if is_pending():
            return True
        if self.every.minutes is not None and time.monotonic() - self._saved_at >= 60 * self.every.minutes:
            return True
        return bool(epochs_done and self.every.epochs and epochs_done % self.every.epochs == 0)

    def save(self, state: dict[str, Any]) -> None:
        """Write the file, whole or not at all; the one that was there is kept beside it."""
        saved = {"format": FORMAT, "identity": self.identity, "state": state}
        write_sealed(self.path, lambda file: torch.save(saved, file))
        self._saved_at = time.monotonic()

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return the newest state that can be gone on from, tensors on the device; None where there is none.

        A file that is damaged is reported as a warning and removed, and the one before it is read. One that another
        training wrote (other recipe, model, data, seed or kind of device) is reported and left until the next save
        replaces it. Whether a training goes on from an earlier state or starts over, its result is the same, later.
        """
        for path in generations(self.path):
            state = self._load(path, device)
            if state is not None:
                return state
        return None

    def _load(self, path: Path, device: torch.device) -> dict[str, Any] | None:
        if not os.path.lexists(path):
            return None
        if not is_sealed(path):
            _LOG.warning("%s: damaged checkpoint, it is not used", path)
            remove(path)
            return None
        try:
            saved = torch.load(path, map_location=device, weights_only=True)
        except pickle.UnpicklingError:
            saved = None  # whole, but not of ours
        if not isinstance(saved, dict) or (saved.get("format"), saved.get("identity")) != (FORMAT, self.identity):
            _LOG.warning("%s: checkpoint of another training, it is not used", path)
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
