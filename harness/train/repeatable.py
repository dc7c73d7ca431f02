"""How torch is set up so that the same fit gives the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


def indexed(device: torch.device) -> torch.device:
    """Return the device with its number: `cuda` is the current GPU."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


@contextmanager
def repeatable() -> Iterator[None]:
    """Have cuDNN choose the same deterministic algorithms each time, and compute fp32 in fp32.

    Its benchmark mode picks by timing, so two fits could differ in their last bits. By default its convolutions round
    fp32 input to 10 bits (TF32), and then a CPU and a GPU part within a few steps.
    """
    with ExitStack() as restored:
        cudnn = torch.backends.cudnn
        restored.callback(setattr, cudnn, "benchmark", cudnn.benchmark)
        restored.callback(setattr, cudnn, "deterministic", cudnn.deterministic)
        restored.callback(setattr, cudnn, "allow_tf32", cudnn.allow_tf32)
        cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = False, True, False
        yield
