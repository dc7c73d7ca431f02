"""Free memory by NVML, with libraries that answer as the driver's do."""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.execute.gpu_memory import free_bytes, memory_of

UUIDS = tuple(uuid.UUID(int=number) for number in (7, 8))


@dataclass
class Cuda:
    """The driver: it shows two GPUs."""

    status: int = 0

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self.status

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        ctypes.cast(device, ctypes.POINTER(ctypes.c_int)).contents.value = index
        return 0 if index < len(UUIDS) else 101

    def cuDeviceGetUuid_v2(self, found: Any, device: Any) -> int:  # noqa: N802
        ctypes.memmove(found, UUIDS[device.value].bytes, 16)
        return 0


@dataclass
class Nvml:
    """NVML: it knows GPUs by name and their memory."""

    free: dict[bytes, int] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)
    status: int = 0

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByUUID(self, name: Any, handle: Any) -> int:  # noqa: N802
        if name.value not in self.free:
            return 6
        self.asked.append(name.value)
        ctypes.cast(handle, ctypes.POINTER(ctypes.c_void_p)).contents.value = len(self.asked)
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:  # noqa: N802
        numbers = ctypes.cast(memory, ctypes.POINTER(ctypes.c_ulonglong * 3)).contents
        free = self.free[self.asked[handle.value - 1]]
        numbers[0], numbers[1], numbers[2] = 100, free, 100 - free
        return self.status


def reader(index: int, nvml: Nvml) -> Callable[[], int | None]:
    return memory_of(index, Cuda(), nvml)


@pytest.mark.parametrize("kind", ["GPU", "MIG"])
def test_the_gpu_that_cuda_means_is_found_in_nvml_by_its_uuid(kind: str) -> None:
    nvml = Nvml({f"{kind}-{UUIDS[1]}".encode(): 40, f"GPU-{UUIDS[0]}".encode(): 10})
    read = reader(1, nvml)
    assert read() == 40
    nvml.free[f"{kind}-{UUIDS[1]}".encode()] = 30
    assert read() == 30
    nvml.status = 15  # the GPU is lost
    assert read() is None


def test_a_gpu_that_nvml_does_not_know_is_an_error() -> None:
    with pytest.raises(OSError, match=str(UUIDS[0])):
        reader(0, Nvml())
    with pytest.raises(OSError, match="cuDeviceGet returned 101"):
        reader(2, Nvml())
    with pytest.raises(OSError, match="cuInit returned 100"):
        memory_of(0, Cuda(status=100), Nvml())


def test_where_there_is_no_gpu_nothing_is_known() -> None:
    assert free_bytes("cpu") is None
    assert free_bytes("cuda:99") is None
