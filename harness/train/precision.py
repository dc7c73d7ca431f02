"""Which number format the forward and backward passes run in."""

from __future__ import annotations

from typing import Final, Literal

import torch

from harness.errors import TrainingError

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
