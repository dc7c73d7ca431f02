"""How much memory of a GPU is free, by NVML, which counts all processes; importing torch would take seconds."""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any, Final

CUDA: Final = "libcuda.so.1"
NVML: Final = "libnvidia-ml.so.1"


class _Memory(ctypes.Structure):
    """`nvmlMemory_t`: bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def free_bytes(device: str) -> int | None:
    """Return the free memory of `cuda:N`; None for other devices, and where NVML does not tell."""
    if not device.startswith("cuda:"):
        return None
    read = _reader(int(device.partition(":")[2]))
    return read() if read is not None else None


@cache
def _reader(index: int) -> Callable[[], int | None] | None:
    try:
        return memory_of(index, ctypes.CDLL(CUDA), ctypes.CDLL(NVML))
    except (OSError, AttributeError):  # no library, or one that lacks a function
        return None


def memory_of(index: int, cuda: Any, nvml: Any) -> Callable[[], int | None]:
    """Return what reads the free bytes of the GPU that CUDA, and so torch, gives this number.

    NVML numbers all GPUs of the machine, CUDA those that this process may use: their UUID is the same.

    Args:
        index: The number, from 0.
        cuda: The driver's library, as ctypes loads it.
        nvml: NVML's library, likewise.

    Raises:
        OSError: there is no such GPU, or NVML does not know it.
    """
    name = _uuid(index, cuda)
    _succeed(nvml.nvmlInit_v2(), "nvmlInit")
    handle = ctypes.c_void_p()
    statuses = (
        nvml.nvmlDeviceGetHandleByUUID(ctypes.c_char_p(f"{kind}-{name}".encode()), ctypes.byref(handle))
        for kind in ("GPU", "MIG")
    )
    if all(statuses):
        raise OSError(f"NVML knows no GPU and no MIG instance {name}")

    def read() -> int | None:
        memory = _Memory()
        return None if nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) else int(memory.free)

    return read


def _uuid(index: int, cuda: Any) -> str:
    device, found = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    _succeed(cuda.cuInit(0), "cuInit")
    _succeed(cuda.cuDeviceGet(ctypes.byref(device), index), "cuDeviceGet")
    _succeed(cuda.cuDeviceGetUuid_v2(ctypes.byref(found), device), "cuDeviceGetUuid")
    return str(uuid.UUID(bytes=bytes(found)))


def _succeed(status: int, call: str) -> None:
    if status:
        raise OSError(f"{call} returned {status}")
