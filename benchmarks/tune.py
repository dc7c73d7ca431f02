"""Trials an hour of `harness tune` against a plain Optuna loop in one process (`plain_tune.py`).

Both search the same space for the same network with the same recipe on the same arrays, with SQLite storage; the
harness as the command runs it, with a worker a core and all that it logs. Rounds alternate, each search in a process
of its own; times count from the start of that process, so importing torch and starting workers are in them. Prints
the medians over rounds. The row of few images shows what a trial costs beside training.

    python benchmarks/tune.py --images 20000 --trials 12 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna

HERE = Path(__file__).parent
CLASSES = 10
MATRIX = """
version: 1
study: benchmark
dataset: {{name: npz, path: data.npz, validation: {{fraction: 0.1}}}}
seeds: [0]
experiments:
  mlp:
    model: mlp
    test: never
    recipe: {{epochs: {epochs}, batch_size: 128, optimizer: {{name: sgd, lr: 0.01, momentum: 0.9, nesterov: true}}}}
tune:
  mlp:
    trials: {trials}
    pruner: {pruner}
    space:
      recipe.optimizer.lr: {{low: 1.0e-3, high: 1.0e-1, log: true}}
      recipe.optimizer.weight_decay: {{low: 1.0e-5, high: 1.0e-2, log: true}}
      recipe.label_smoothing: {{low: 0.0, high: 0.2}}
"""

Pruner = Literal["none", "hyperband"]


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison."""

    images: int
    trials: int
    pruner: Pruner


@dataclass(frozen=True, slots=True)
class Search:
    """One search. Seconds count from the start of the process."""

    seconds: float
    """Until the last trial was told."""
    start_seconds: float
    """Until the first trial was asked for."""
    trials: int
    pruned: int
    best: float
    """Validation accuracy."""

    @property
    def trials_an_hour(self) -> float:
        """All of its time counted."""
        return 3600 * self.trials / self.seconds

    @property
    def trial_seconds(self) -> float:
        """A trial's share of the time after the start."""
        return (self.seconds - self.start_seconds) / self.trials


def main() -> None:
    """Measure and print."""
    given = _arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = [
        Row(given.images, given.trials, "none"),
        Row(given.images, given.trials, "hyperband"),
        Row(given.few_images, given.many_trials, "none"),
    ]
    found = {row: _measure(row, given) for row in rows}
    if given.json:
        print(json.dumps([_as_json(row, *pairs) for row, pairs in found.items()], indent=1))
        return
    print(f"mlp, {given.epochs} epochs, {given.workers} workers; medians of {given.rounds} rounds")
    print("images  trials  pruner     loop     trials/h  s/trial  start s  pruned  best %")
    for row, (ours, plain) in found.items():
        for name, searches in (("harness", ours), ("plain", plain)):
            print(_line(row, name, searches))
        ratios = [one.trials_an_hour / other.trials_an_hour for one, other in zip(ours, plain, strict=True)]
        print(f"{'':25}  ratio    {statistics.median(ratios):8.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--few-images", type=int, default=500)
    parser.add_argument("--many-trials", type=int, default=40, help="of few images")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _measure(row: Row, given: argparse.Namespace) -> tuple[list[Search], list[Search]]:
    """Return the searches of both, round by round."""
    ours, plain = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_images(folder / "data.npz", row.images)
        (folder / "matrix.yaml").write_text(MATRIX.format(epochs=given.epochs, trials=row.trials, pruner=row.pruner))
        for number in range(given.rounds):
            ours.append(_ours(folder, f"home{number}", given.workers))
            plain.append(_plain(folder, row, given.epochs))
    return ours, plain


def _write_images(path: Path, count: int) -> None:
    """Write noisy pictures of `CLASSES` patterns, uint8 [N, 32, 32, 3], hard enough that settings matter."""
    random = np.random.default_rng(0)
    patterns = random.normal(0, 3, (CLASSES, 32, 32, 3)).astype(np.float32)
    arrays: dict[str, Any] = {}
    for split, size in (("train", count), ("test", 100)):
        labels = random.integers(0, CLASSES, size)
        noise = random.normal(128, 60, (size, 32, 32, 3)).astype(np.float32)
        arrays |= {f"x_{split}": np.clip(noise + patterns[labels], 0, 255).astype(np.uint8), f"y_{split}": labels}
    np.savez(path, **arrays)


def _ours(folder: Path, home: str, workers: int) -> Search:
    """Run the command; when trials were asked for and told, Optuna's database says."""
    began = time.time()
    words = ["tune", "matrix.yaml", "--home", home, "--workers", str(workers), "--quiet", "--json"]
    _run([sys.executable, "-m", "harness.cli", *words], folder)
    study = optuna.load_study(study_name="benchmark/mlp", storage=f"sqlite:///{folder / home / 'optuna.db'}")
    starts = [trial.datetime_start.timestamp() for trial in study.trials if trial.datetime_start]
    ends = [trial.datetime_complete.timestamp() for trial in study.trials if trial.datetime_complete]
    pruned = sum(trial.state is optuna.trial.TrialState.PRUNED for trial in study.trials)
    return Search(max(ends) - began, min(starts) - began, len(ends), pruned, study.best_value)


def _plain(folder: Path, row: Row, epochs: int) -> Search:
    began = time.time()
    sizes = ["--trials", str(row.trials), "--epochs", str(epochs), "--pruner", row.pruner]
    said = json.loads(_run([sys.executable, str(HERE / "plain_tune.py"), "data.npz", *sizes], folder))
    trials = said["complete"] + said["pruned"]
    return Search(said["ended"] - began, said["begun"] - began, trials, said["pruned"], said["best"])


def _run(command: Sequence[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout


def _line(row: Row, name: str, searches: Sequence[Search]) -> str:
    def middle(field: str) -> float:
        return statistics.median(float(getattr(each, field)) for each in searches)

    return (
        f"{row.images:6}  {row.trials:6}  {row.pruner:9}  {name:7}  {middle('trials_an_hour'):8.0f}"
        f"  {middle('trial_seconds'):7.2f}  {middle('start_seconds'):7.1f}  {middle('pruned'):6.0f}"
        f"  {100 * middle('best'):6.1f}"
    )


def _as_json(row: Row, ours: Sequence[Search], plain: Sequence[Search]) -> Mapping[str, object]:
    both = {"harness": ours, "plain": plain}
    return asdict(row) | {name: [asdict(each) for each in searches] for name, searches in both.items()}


if __name__ == "__main__":
    main()
