"""One run of the whole script at tiny sizes, and benches to measure single things on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from benchmarks.on_gpu.bench import TINY, Bench
from benchmarks.on_gpu.images import patterned
from benchmarks.on_gpu.record import Record, Results, read
from benchmarks.on_gpu.rows import Call

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ran:
    """What a run of the script left."""

    code: int
    said: str
    path: Path

    @property
    def results(self) -> Results:
        return read(self.path)


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    path = tmp_path_factory.mktemp("gpu") / "gpu.json"
    finished = script("--tiny", "--device", "cpu", "--machine", "a test", "--json", str(path))
    return Ran(finished.returncode, finished.stdout, path)


def script(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a person would, on one thread, with modules missing that the harness does without."""
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    torch.set_num_threads(1)
    return Bench(CPU, TINY, None, tmp_path, None, False)


def call(started: str = "2026-01-01T00:00:00.000+00:00", gpu: str = "no GPU") -> Call:
    return Call(
        started=started,
        command="python benchmarks/gpu.py",
        machine="a test",
        device="cpu",
        gpu=gpu,
        driver="none",
        torch="2.11",
        python="3.12",
        images="random",
    )


def record(path: Path | None = None, started: str = "2026-01-01T00:00:00.000+00:00", gpu: str = "no GPU") -> Record:
    return Record(path, call(started, gpu))


def write_parquet(path: Path, count: int, seed: int) -> None:
    """Write patterned images as JPEG, in the layout of the CIFAR-10 copy."""
    data = patterned(count, 16, seed)
    encoded = []
    for image in data.images:
        buffer = BytesIO()
        Image.fromarray(image).save(buffer, "JPEG")
        encoded.append({"bytes": buffer.getvalue()})
    labels = [*range(10), *data.labels.tolist()[10:]]
    pyarrow.parquet.write_table(pa.table({"img": encoded, "label": labels}), path)
