"""How torch is set up for a fit: random streams, number formats, memory, the same bits each time.

Networks draw weights and dropout from torch's global generators and nothing else can be told
to; so a fit lends them its own state and puts the process's state back.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, Literal

import torch

from harness.errors import OutOfMemoryError, TrainingError
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


TENSOR_CORES: Final = 7
"""Major compute capability from which fp16 is fast."""


def number_format(precision: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> torch.dtype:
    """Return the format to autocast to; float32 stands for no autocast.

    `auto` is bf16 on CUDA devices that compute in it, fp16 on those that have tensor cores for that alone (Volta and
    Turing), and fp32 on all others.

    Raises:
        TrainingError: the device has no instructions for what is asked for; emulated it is several times slower
            than fp32.
    """
    match precision:
        case "fp32":
            return torch.float32
        case "auto":
            return _fastest(device)
        case "bf16" if _has_bf16(device):
            return torch.bfloat16
        case "fp16" if device.type == "cuda":
            return torch.float16
    raise TrainingError(f"recipe.precision: {device} has no {precision} instructions; set precision to auto or fp32")


def _fastest(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    if _has_bf16(device):
        return torch.bfloat16
    major, _ = torch.cuda.get_device_capability(device)
    return torch.float16 if major >= TENSOR_CORES else torch.float32


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


_HOST_MESSAGES: Final = ("can't allocate memory", "not enough memory", "size calculation overflowed")


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
