"""Features of images from a frozen network, computed once for each image and kept on disk."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import IO, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from harness.contracts import Task
from harness.files import discard, is_sealed, write_sealed

BATCH: Final = 64
"""Images that the network gets at once; the last ones are filled up, so that an image's features depend on it alone."""
_DIGEST: Final = 16
"""Bytes by which an image, or a network, is found again."""


class FrozenFeatures:
    """What a frozen network says of images; said once, it is kept.

    Attributes:
        network: From normalized images [N, C, H, W] to features [N, D]; in evaluation mode.
        dimensions: D.
        folder: Where features are kept, in a folder for each network; None for memory alone.
    """

    def __init__(self, network: nn.Module, about: str, task: Task, device: str) -> None:
        """Take a network.

        Args:
            network: See above.
            about: All that its features depend on beside its weights, such as the size that it resizes images to.
            task: Has the shape of its images and the statistics that they are normalized by.
            device: Where it computes.
        """
        self.network, self._device = network.to(device).eval().requires_grad_(False), device
        self.folder: Path | None = None
        mean, std = (torch.tensor(each, device=device).view(1, -1, 1, 1) for each in (task.mean, task.std))
        self._mean, self._std = mean, torch.where(std == 0, 1.0, std)
        self._about = repr((about, task.shape, task.mean, task.std, torch.device(device).type)).encode()
        self._known: dict[bytes, NDArray[np.float32]] = {}
        self._read: set[Path] = set()
        with torch.inference_mode():
            height, width, channels = task.shape
            self.dimensions = self.network(torch.zeros(1, channels, height, width, device=device)).flatten(1).shape[1]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features [N, D] of images [N, H, W, C]."""
        keys = [blake2b(np.ascontiguousarray(image).data, digest_size=_DIGEST).digest() for image in images]
        place = self._place()
        if any(key not in self._known for key in keys):
            self._read_from(place)
        missing = [row for row, key in enumerate(keys) if key not in self._known]
        if missing:
            fresh = self._computed(images[missing])
            self._known |= {keys[row]: features for row, features in zip(missing, fresh, strict=True)}
            _write(place, [keys[row] for row in missing], fresh)
        return np.array([self._known[key] for key in keys], np.float32).reshape(-1, self.dimensions)

    @torch.inference_mode()
    def _computed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = []
        for at in range(0, len(images), BATCH):
            batch = images[at : at + BATCH]
            filled = np.concatenate([batch, np.zeros((BATCH - len(batch), *batch.shape[1:]), np.uint8)])
            pixels = torch.from_numpy(filled).to(self._device).permute(0, 3, 1, 2).float() / 255
            features = self.network((pixels - self._mean) / self._std).flatten(1)
            found.append(features[: len(batch)].float().cpu().numpy())
        return np.concatenate(found)

    def _place(self) -> Path | None:
        """Return the folder of this very network's features."""
        if self.folder is None:
            return None
        digest = blake2b(self._about, digest_size=_DIGEST)
        for name, tensor in self.network.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.cpu().numpy()).data)
        return self.folder / digest.hexdigest()

    def _read_from(self, folder: Path | None) -> None:
        for path in sorted(folder.glob("*.npy")) if folder is not None else ():
            if path not in self._read:
                self._read.add(path)
                self._known |= _read(path)


def _write(folder: Path | None, keys: list[bytes], features: NDArray[np.float32]) -> None:
    """Keep features [N, D] of images by their digests; the file is named by whose they are."""
    if folder is None:
        return

    def write(file: IO[bytes]) -> None:
        np.save(file, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, _DIGEST))
        np.save(file, features)

    write_sealed(folder / f"{blake2b(b''.join(keys), digest_size=_DIGEST).hexdigest()}.npy", write)


def _read(path: Path) -> dict[bytes, NDArray[np.float32]]:
    """Return what a file holds; nothing of one that is damaged, which is removed."""
    if not is_sealed(path):
        discard(path)
        return {}
    with path.open("rb") as file:
        keys, features = np.load(file), np.load(file)
    return {key.tobytes(): row for key, row in zip(keys, features, strict=True)}
