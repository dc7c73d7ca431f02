"""What one would write without the harness: Optuna around a training loop, in one process, as their tutorials show it.

Prints a line of JSON: when the search began and ended, and the best validation accuracy. Run by `tune.py`, or

    python benchmarks/plain_tune.py DATA.npz --trials 12 --epochs 3
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence

import numpy as np
import optuna
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

BATCH_SIZE = 128
VALIDATION_SHARE = 0.1

Loader = DataLoader[Sequence[Tensor]]


def main() -> None:
    """Search and print."""
    given = _arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    train, validation = loaders(given.data)
    pruner = optuna.pruners.HyperbandPruner(1, given.epochs, 3) if given.pruner == "hyperband" else None
    with tempfile.TemporaryDirectory() as folder:
        study = optuna.create_study(
            storage=f"sqlite:///{folder}/optuna.db",
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=0),
            pruner=pruner or optuna.pruners.NopPruner(),
        )
        begun = time.time()
        study.optimize(lambda trial: objective(trial, train, validation, given.epochs), given.trials)
        ended = time.time()
    states = [trial.state.name.lower() for trial in study.trials]
    counts = {state: states.count(state) for state in ("complete", "pruned")}
    print(json.dumps({"begun": begun, "ended": ended, "best": study.best_value, **counts}))


def loaders(path: str) -> tuple[Loader, Loader]:
    """Return loaders of images float32 [B, 3, 32, 32], normalized, and labels int64 [B]: training, validation."""
    with np.load(path) as arrays:
        images, labels = arrays["x_train"], arrays["y_train"]
    order = np.random.default_rng(0).permutation(len(images))
    held_out = int(len(images) * VALIDATION_SHARE)
    scaled = torch.from_numpy(images[order]).permute(0, 3, 1, 2).float() / 255
    scaled = (scaled - scaled.mean((0, 2, 3), keepdim=True)) / scaled.std((0, 2, 3), keepdim=True)
    targets = torch.from_numpy(labels[order])
    train = TensorDataset(scaled[held_out:], targets[held_out:])
    validation = TensorDataset(scaled[:held_out], targets[:held_out])
    return DataLoader(train, BATCH_SIZE, shuffle=True), DataLoader(validation, BATCH_SIZE)


def objective(trial: optuna.Trial, train: Loader, validation: Loader, epochs: int) -> float:
    """Train the multilayer perceptron at a trial's settings and return its validation accuracy."""
    torch.manual_seed(0)
    rate = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    decay = trial.suggest_float("weight_decay", 1e-5, 1e-2, log=True)
    smoothing = trial.suggest_float("label_smoothing", 0.0, 0.2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32 * 3, 512), nn.ReLU(), nn.Linear(512, 10))
    optimizer = torch.optim.SGD(network.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    criterion = nn.CrossEntropyLoss(label_smoothing=smoothing)
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        train_epoch(network, optimizer, criterion, train)
        schedule.step()
        accuracy = accuracy_of(network, validation)
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


def train_epoch(network: nn.Module, optimizer: torch.optim.Optimizer, criterion: nn.Module, train: Loader) -> None:
    """Train for one epoch."""
    network.train()
    for images, labels in train:
        optimizer.zero_grad()
        criterion(network(images), labels).backward()
        optimizer.step()


@torch.no_grad()
def accuracy_of(network: nn.Module, validation: Loader) -> float:
    """Return the share of images that are classified right."""
    network.eval()
    hits = [(network(images).argmax(1) == labels).float() for images, labels in validation]
    return torch.cat(hits).mean().item()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pruner", choices=["none", "hyperband"], default="none")
    return parser.parse_args()


if __name__ == "__main__":
    main()
