"""What a cell costs by executor, beside what it computes: cells that do nothing but leave files, in workers kept warm.

Prints for each executor (`--executor local ray`) the seconds until the first cell has ended and those of each after
that, with one worker, for cells that leave `--megabytes`. No store is used. `--address` is of the Ray cluster.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import Cell, Choice, Dataset, Listener, Result, SealedSet
from harness.contracts.running import Job
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings
from harness.measure.environment import Whereabouts, processor_name, usable_cores


def run_cell(job: Job, listen: Listener) -> Result:
    """Tell one epoch, ask for the opening, and leave a file of the size that is asked for."""
    listen.epoch(1, {"train/loss": 1.0})
    listen.opening("digest", SealedSet())
    artifacts = job.folder / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    (artifacts / "model.safetensors").write_bytes(bytes(int(job.cell.model.options["bytes"])))
    return Result(job.key, "digest", {}, "opened", artifacts)


@dataclass(frozen=True, slots=True)
class Deaf:
    """Hears nothing."""

    def began(self, where: Whereabouts) -> None:
        """Hear nothing."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Hear nothing."""

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        """Hear nothing."""


def main() -> None:
    """Time each executor and print a line for it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--executor", nargs="+", default=["inline", "local", "ray"])
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--megabytes", type=float, default=1.0)
    parser.add_argument("--address")
    asked = parser.parse_args()
    print(f"{processor_name()}, {usable_cores()} cores, Python {platform.python_version()}")
    for name in asked.executor:
        first, each = _timed(name, asked.cells, int(asked.megabytes * 1e6), asked.address if name == "ray" else None)
        print(f"{name}: first cell after {first:.2f} s, then {1000 * each:.1f} ms a cell of {asked.megabytes:g} MB")


def _timed(name: str, cells: int, size: int, address: str | None) -> tuple[float, float]:
    executor = open_executor(name, 1, 1, "benchmarks.executors:run_cell", address=address)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        cell = Cell(dataset=Dataset(name="digits"), model=Choice(name="none", bytes=size), recipe=None, seed=0)
        jobs = [Job(f"k{n}", cell, home / f"k{n}", home, "cpu", threads=1, id=f"k{n}") for n in range(cells)]
        begun = time.perf_counter()
        executor.places(RunSettings(home=home, device="cpu"))
        with executor:
            ended = [time.perf_counter() for each in executor.run(jobs, lambda _: Deaf()) if each is not None]
    return ended[0] - begun, (ended[-1] - ended[0]) / (cells - 1)


if __name__ == "__main__":
    main()
