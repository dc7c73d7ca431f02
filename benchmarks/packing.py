"""Several small cells on one machine: one after the other, with a fixed number of workers, and packed by measurement.

All rows run equal cells (`small_cnn` on random images, another seed each) as `harness run` does, workers started anew
and everything logged; the time is that of all of it. The row `measured` needs a GPU: there no number of workers is
given, and the harness finds how many cells are worth running side by side. Prints cells an hour, the ratio to one
worker, and how many cells ran side by side at most and when the last of them began.

    python benchmarks/packing.py --cells 12 --epochs 20 --images 50000 --workers 1 2 3 4 --json packing.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from harness.contracts import Outcome, PlannedCell, StudyPlan
from harness.execute.driver import run_plan
from harness.execute.estimate import Workers, workers_for
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings, make_plan
from harness.matrix import load_study
from harness.measure.environment import choose_devices, hardware, usable_cores
from harness.plugins import Catalog
from harness.track import Store, open_store

MATRIX = """
version: 1
study: packing
dataset: {{name: npz, path: data.npz, validation: {{fraction: 0.1}}}}
seeds: {seeds}
experiments:
  small: {{model: {model}, test: never, recipe: {{epochs: {epochs}, batch_size: {batch_size}, augment: [crop, flip]}}}}
"""


@dataclass(slots=True)
class Watch:
    """Counts the cells that run side by side."""

    running: set[str] = field(default_factory=set)
    numbers: list[int] = field(default_factory=list)
    """How many ran as each began, itself among them."""

    def started(self, planned: PlannedCell, device: str) -> None:
        """Count a cell."""
        self.running.add(planned.key)
        self.numbers.append(len(self.running))

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Hear an epoch."""

    def ended(self, outcome: Outcome) -> None:
        """Count a cell no more."""
        self.running.discard(outcome.planned.key)


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run the cells: seconds and numbers of cells side by side are medians over rounds."""

    name: str
    workers: int
    threads: int
    seconds: float
    cells_an_hour: float
    most_beside: float
    last_beside: float


def main() -> None:
    """Measure and print."""
    given = _arguments()
    devices = choose_devices(given.device)
    teams = {_name(number): Workers(min(number, given.cells), devices) for number in given.workers}
    measured = workers_for(None, "local", devices, given.cells)
    if measured.packed:
        teams["measured"] = measured
    with tempfile.TemporaryDirectory() as name:
        rows = _measure(Path(name), teams, given)
    names = ", ".join(hardware(device) for device in devices)
    print(f"{given.cells} cells of {given.model}, {given.epochs} epochs of {given.images} images, on {names}")
    print("cells side by side     seconds  cells/h   ratio  most  last")
    for row in rows:
        print(_line(row, rows[0]))
    if given.json:
        found = {"hardware": names, **vars(given), "json": str(given.json), "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(found, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="small_cnn")
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--images", type=int, default=50_000, help="of which a tenth is for validation")
    parser.add_argument("--size", type=int, default=32, help="of the images, in pixels")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--device", default="auto", help="cuda:0 for one GPU, cuda for all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def _name(workers: int) -> str:
    return "one after the other" if workers == 1 else f"{workers} workers"


def _measure(folder: Path, teams: Mapping[str, Workers], given: argparse.Namespace) -> list[Row]:
    """Run all rows once a round, in one store; every run has seeds of its own, so that none is done already."""
    _write_images(folder / "data.npz", given.images, given.size)
    store = open_store(folder / "home")
    runs: dict[str, list[tuple[float, Watch]]] = {name: [] for name in teams}
    for number in range(given.rounds):
        for place, (name, team) in enumerate(teams.items()):
            first = (number * len(teams) + place) * given.cells
            plan = _plan(folder, range(first, first + given.cells), given)
            runs[name].append(_run(plan, store, team, given.device))
    return [_row(name, team, runs[name], given.cells) for name, team in teams.items()]


def _write_images(path: Path, count: int, size: int) -> None:
    random = np.random.default_rng(0)
    arrays = {
        f"{name}_{split}": values
        for split, number in (("train", count), ("test", 10))
        for name, values in (
            ("x", random.integers(0, 256, (number, size, size, 3), dtype=np.uint8)),
            ("y", np.arange(number) % 10),
        )
    }
    np.savez(path, allow_pickle=False, **arrays)


def _plan(folder: Path, seeds: Sequence[int], given: argparse.Namespace) -> StudyPlan:
    path = folder / "matrix.yaml"
    settings = {"model": given.model, "epochs": given.epochs, "batch_size": given.batch_size}
    path.write_text(MATRIX.format(seeds=list(seeds), **settings))
    return make_plan(load_study(path, Catalog()), Catalog(), folder / "home" / "cache")


def _run(plan: StudyPlan, store: Store, team: Workers, device: str) -> tuple[float, Watch]:
    """Run a plan and return the seconds that it took."""
    settings = RunSettings(home=store.home, device=device, workers=team.count, packed=team.packed)
    watch, begun = Watch(), time.perf_counter()
    executor = open_executor("local", settings.workers, settings.threads)
    outcomes = run_plan(plan, store, executor, settings, watch)
    seconds = time.perf_counter() - begun
    faults = {outcome.message for outcome in outcomes if outcome.state != "finished"}
    if faults:
        raise SystemExit("\n".join(faults))
    return seconds, watch


def _row(name: str, team: Workers, runs: Sequence[tuple[float, Watch]], cells: int) -> Row:
    seconds = statistics.median(seconds for seconds, _ in runs)
    return Row(
        name=name,
        workers=team.count,
        threads=max(1, usable_cores() // team.count),
        seconds=seconds,
        cells_an_hour=3600 * cells / seconds,
        most_beside=statistics.median(max(watch.numbers) for _, watch in runs),
        last_beside=statistics.median(watch.numbers[-1] for _, watch in runs),
    )


def _line(row: Row, first: Row) -> str:
    ratio = row.cells_an_hour / first.cells_an_hour
    numbers = f"{row.seconds:9.1f} {row.cells_an_hour:8.0f} {ratio:7.2f}"
    return f"{row.name:20} {numbers} {row.most_beside:5g} {row.last_beside:5g}"


if __name__ == "__main__":
    main()
