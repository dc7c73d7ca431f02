"""Which number format the forward and backward passes run in."""

from __future__ import annotations

from typing import Literal

import torch

from harness.errors import TrainingError


def runs_in_bf16(precision: Literal["auto", "fp32", "bf16"], device: torch.device) -> bool:
    """Return whether to autocast to bf16: `auto` does on CUDA devices that compute in it, nowhere else.

    Raises:
        TrainingError: bf16 is asked for and the device has no instructions for it; emulated it
            is several times slower than fp32.
    """
    if precision == "fp32" or (precision == "auto" and device.type != "cuda"):
        return False
    native = _has_bf16(device)
    if precision == "bf16" and not native:
        raise TrainingError(f"recipe.precision: {device} has no bf16 instructions; set precision to auto or fp32")
    return native


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
