"""Which CUDA devices there are, asked from the driver library: importing torch would take seconds."""

from __future__ import annotations

import ctypes
from functools import cache


@cache
def gpu_names() -> tuple[str, ...]:
    """Return the names of the CUDA devices that this process may use, in torch's order; empty without any."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    count = ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    return tuple(_name(cuda, index) for index in range(count.value))


def _name(cuda: ctypes.CDLL, index: int) -> str:
    device = ctypes.c_int()
    text = ctypes.create_string_buffer(256)
    if cuda.cuDeviceGet(ctypes.byref(device), index) or cuda.cuDeviceGetName(text, len(text), device):
        return "unknown GPU"
    return text.value.decode()
