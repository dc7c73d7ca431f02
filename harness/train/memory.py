"""Memory of a fit: its peak, and errors that say what to try."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from harness.errors import OutOfMemoryError

_HOST_MESSAGES: Final = ("can't allocate memory", "not enough memory")


@contextmanager
def told_plainly(model: str, batch_size: int | None, device: torch.device) -> Iterator[None]:
    """Turn torch's out-of-memory errors into ours; `batch_size` is None for what is not trained in batches.

    Raises:
        OutOfMemoryError: names model, batch size and device, and what to try.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(model, batch_size, device) from error
    except RuntimeError as error:
        if any(message in str(error) for message in _HOST_MESSAGES):
            raise _out_of_memory(model, batch_size, device) from error
        raise


def reset_peak(device: torch.device) -> None:
    """Start to measure anew, where the device can (CUDA)."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]  # before it there is no allocator to ask
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int:
    """Return the most bytes that were in use.

    On CUDA by tensors since `reset_peak`; on the CPU by the whole process since its start (peak
    resident set), whatever it did before.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _out_of_memory(model: str, batch_size: int | None, device: torch.device) -> OutOfMemoryError:
    if batch_size is None:
        return OutOfMemoryError(
            f"{model} does not fit into the memory of {device}; "
            "try smaller images (dataset.resize), fewer workers on this device, or --device cpu"
        )
    return OutOfMemoryError(
        f"{model} at batch size {batch_size} does not fit into the memory of {device}; "
        "try a smaller recipe.batch_size, a smaller model.width or dataset.resize, or fewer workers on this device"
    )
