"""The training step against a plain PyTorch loop over the same batches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from harness.contracts import Recipe
from harness.seeds import seed_for
from tests.train.conftest import TASK, Diary, classifier, pictures, recipe, without_times

EPOCHS = 5
DATA = pictures(160)  # 10 batches of 16 an epoch: 50 steps

SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
ADAMW = {"name": "adamw", "lr": 0.01, "weight_decay": 0.1}


def plain_losses(settings: Recipe, optimizer: dict[str, Any], sizes: int = 16) -> list[float]:
    """Return the mean loss of each epoch of the loop of any tutorial."""
    network = classifier(settings).network.to(memory_format=torch.contiguous_format)
    rest = {name: value for name, value in optimizer.items() if name not in {"name", "decay_norms_and_biases"}}
    groups = plain_groups(network, optimizer)
    updater = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[optimizer["name"]](groups, **rest)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(updater, T_max=EPOCHS)
    weighted = dict(settings.class_weights or {})  # type: ignore[arg-type]
    weights = torch.tensor([weighted.get(name, 1.0) for name in TASK.classes]) if weighted else None
    criterion = nn.CrossEntropyLoss(weight=weights, label_smoothing=settings.label_smoothing)
    order = torch.Generator().manual_seed(seed_for(0, "order"))
    images = (torch.tensor(DATA.images).permute(0, 3, 1, 2).float() / 255 - column(TASK.mean)) / column(TASK.std)
    labels = torch.tensor(DATA.labels)
    targets = nn.functional.one_hot(labels).float() if settings.class_weights else labels
    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        for rows in torch.randperm(len(labels), generator=order).split(sizes):  # type: ignore[no-untyped-call]
            updater.zero_grad()
            loss = criterion(network(images[rows]), targets[rows])
            loss.backward()
            if settings.gradient_clip:
                nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
            updater.step()
            total += loss.item() * len(rows)
        scheduler.step()
        losses.append(total / len(labels))
    return losses


def plain_groups(network: nn.Module, optimizer: dict[str, Any]) -> list[dict[str, Any]]:
    if optimizer.get("decay_norms_and_biases", True):
        return [{"params": list(network.parameters())}]
    conv, norm, linear = network[0], network[1], network[6]  # type: ignore[index]
    return [
        {"params": [conv.weight, linear.weight]},
        {"params": [norm.weight, norm.bias, linear.bias], "weight_decay": 0.0},
    ]


def column(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values)[:, None, None]


@pytest.mark.parametrize("optimizer", [SGD, ADAMW], ids=["sgd", "adamw"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"label_smoothing": 0.2, "gradient_clip": 0.5},
        {"channels_last": False},
        {"class_weights": {"dog": 3.0, "fox": 0.5}},
        {"class_weights": {"dog": 3.0}, "label_smoothing": 0.2},
    ],
    ids=["plain", "smoothed and clipped", "channels first", "weighted", "weighted and smoothed"],
)
def test_fifty_steps_have_the_losses_of_a_plain_loop(optimizer: dict[str, Any], settings: dict[str, Any]) -> None:
    chosen = recipe(epochs=EPOCHS, optimizer=optimizer, **settings)
    diary = Diary()
    classifier(chosen).fit(DATA, None, diary)
    losses = [metrics["train/loss"] for _, metrics in diary.epochs]
    assert losses == pytest.approx(plain_losses(chosen, optimizer), rel=1e-4)
    assert losses[-1] < 0.8 * losses[0]


def test_sparing_norms_and_biases_has_the_losses_of_torchs_parameter_groups() -> None:
    spared = {**SGD, "weight_decay": 0.3, "decay_norms_and_biases": False}
    chosen = recipe(epochs=EPOCHS, optimizer=spared)
    report = classifier(chosen).fit(DATA, None, Diary())
    losses = [metrics["train/loss"] for metrics in report.history]
    assert losses == pytest.approx(plain_losses(chosen, spared), rel=1e-4)
    everything = plain_losses(chosen, {**spared, "decay_norms_and_biases": True})
    assert losses != pytest.approx(everything, rel=1e-2)


def test_channels_last_changes_no_result() -> None:
    first, second = (
        classifier(recipe(channels_last=last)).fit(DATA, pictures(40, seed=1), Diary()) for last in (True, False)
    )
    for left, right in zip(without_times(first.history), without_times(second.history), strict=True):
        assert left == pytest.approx(right, rel=1e-4)
