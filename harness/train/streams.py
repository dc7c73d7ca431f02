"""The random streams of a fit: weights, order of the data, augmentation, dropout.

Networks draw weights and dropout from torch's global generators and nothing else can be told
to; so a fit lends them its own state and puts the process's state back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from harness.seeds import seed_for


class Streams:
    """Order (on the CPU, so that it is the same on every device) and augmentation (on the device)."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        self.order = torch.Generator().manual_seed(seed_for(seed, "order"))
        self.augment = torch.Generator(device).manual_seed(seed_for(seed, "augment"))

    def capture(self) -> dict[str, torch.Tensor]:
        """Return the state of both and of torch's global generators, which dropout draws from."""
        states = {"order": self.order.get_state(), "augment": self.augment.get_state()}
        states["dropout_cpu"] = torch.get_rng_state()
        if self._device.type == "cuda":
            states["dropout_cuda"] = torch.cuda.get_rng_state(self._device)
        return states

    def restore(self, states: dict[str, torch.Tensor]) -> None:
        """Go on where `capture` was called."""
        self.order.set_state(states["order"])
        self.augment.set_state(states["augment"])
        torch.set_rng_state(states["dropout_cpu"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(states["dropout_cuda"], self._device)


@contextmanager
def global_stream(seed: int, purpose: str, device: torch.device) -> Iterator[None]:
    """Lend torch's global generators (CPU and the device's) to one purpose; afterwards they are as before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed_for(seed, purpose))
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed_for(seed, purpose))
        yield
