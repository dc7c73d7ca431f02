from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.contracts import CheckpointEvery, FitReport, Recipe
from harness.interrupts import Interrupts
from harness.train import NetworkClassifier
from harness.train.checkpoint import CheckpointFile
from harness.train.cuda_graphs import Stepper
from tests.train.conftest import (
    AUGMENT,
    Diary,
    Pruned,
    assert_same_bits,
    classifier,
    pictures,
    recipe,
    shuffled_labels,
    without_times,
)

TRAIN, VALIDATION = shuffled_labels(90), shuffled_labels(40, seed=1)


def full(**settings: Any) -> Recipe:
    """Momentum, dropout, augmentations, averages, best weights: all that a checkpoint must bring back."""
    chosen = {"epochs": 5, "augment": AUGMENT, "ema": {"decay": 0.9}, "keep": "best", **settings}
    return recipe(**chosen)


def trained(settings: Recipe, path: Path | None, diary: Diary | None = None) -> tuple[NetworkClassifier, FitReport]:
    made = classifier(settings, checkpoint=path, dropout=0.4)
    return made, made.fit(TRAIN, VALIDATION, diary or Diary())


def stopped_after(epoch: int, settings: Recipe, path: Path) -> None:
    with pytest.raises(Pruned):
        trained(settings, path, Diary(stop_at=epoch))


@pytest.mark.parametrize(
    "optimizer", [{"name": "sgd", "lr": 0.1}, {"name": "adam"}, {"name": "adamw"}], ids=["sgd", "adam", "adamw"]
)
@pytest.mark.parametrize("channels_last", [True, False])
def test_a_resumed_fit_has_the_bits_of_an_uninterrupted_one(
    optimizer: dict[str, Any], channels_last: bool, tmp_path: Path
) -> None:
    settings = full(optimizer=optimizer, channels_last=channels_last)
    whole, expected = trained(settings, None)
    stopped_after(2, settings, tmp_path / "checkpoint.pt")
    diary = Diary()
    resumed, report = trained(settings, tmp_path / "checkpoint.pt", diary)
    assert_same_bits(whole, resumed)
    assert without_times(report.history) == without_times(expected.history)
    assert report.best_epoch == expected.best_epoch
    assert [epoch for epoch, _ in diary.epochs] == [
        1,
        2,
        3,
        4,
        5,
    ]  # the last two saved ones again, they may have gone unheard


@pytest.mark.parametrize("steps", [1, 3, 6, 7, 10])
def test_a_fit_resumed_in_the_middle_of_an_epoch_has_the_same_bits(steps: int, tmp_path: Path) -> None:
    """With a checkpoint after every step, stop in the step after `steps` (6 an epoch)."""
    fuse = tmp_path / "fuse.txt"
    augment = ({"name": "fuse", "file": str(fuse)}, *AUGMENT)
    settings = full(epochs=3, augment=augment, checkpoint={"epochs": None, "minutes": 1e-9})
    whole, expected = trained(settings, None)
    fuse.write_text(str(steps))
    with pytest.raises(InterruptedError):
        trained(settings, tmp_path / "checkpoint.pt")
    fuse.write_text(str(18 - steps))  # so a step taken again would blow it
    resumed, report = trained(settings, tmp_path / "checkpoint.pt")
    assert fuse.read_text() == "0"
    assert_same_bits(whole, resumed)
    assert without_times(report.history) == without_times(expected.history)


def test_seconds_add_up_over_resumes(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    first = Diary(stop_at=2)
    with pytest.raises(Pruned):
        trained(full(), path, first)
    _, report = trained(full(), path)
    assert [metrics["epoch_seconds"] for metrics in report.history[:2]] == [
        metrics["epoch_seconds"] for _, metrics in first.epochs
    ]
    assert report.train_seconds == pytest.approx(sum(metrics["epoch_seconds"] for metrics in report.history))


def test_a_finished_fit_is_not_trained_again(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    first, expected = trained(full(), path)
    diary = Diary()
    again, report = trained(full(), path, diary)
    assert [epoch for epoch, _ in diary.epochs] == [4, 5]
    assert report.history == expected.history
    assert_same_bits(first, again)


def test_an_early_stopped_fit_stays_stopped(tmp_path: Path) -> None:
    settings = full(epochs=50, early_stopping={"patience": 2})
    _, expected = trained(settings, tmp_path / "checkpoint.pt")
    _, report = trained(settings, tmp_path / "checkpoint.pt")
    assert len(expected.history) < 50
    assert report.history == expected.history


def test_checkpoints_come_each_so_many_epochs(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    stopped_after(3, full(checkpoint={"epochs": 2}), path)
    assert len(torch.load(path, weights_only=True)["state"]["history"]) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_how_often_checkpoints_come_does_not_change_the_result(tmp_path: Path) -> None:
    stopped_after(4, full(checkpoint={"epochs": 4}), tmp_path / "checkpoint.pt")
    resumed, _ = trained(full(checkpoint={"minutes": 60}), tmp_path / "checkpoint.pt")
    whole, _ = trained(full(), None)
    assert_same_bits(resumed, whole)


@pytest.mark.parametrize("damage", ["cut off", "empty", "other text"])
def test_a_damaged_checkpoint_is_not_used_and_told(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint.pt"
    stopped_after(2, full(), path)
    content = path.read_bytes()
    path.write_bytes({"cut off": content[: len(content) // 2], "empty": b"", "other text": b"not a checkpoint"}[damage])
    diary = Diary()
    with caplog.at_level(logging.WARNING):
        resumed, _ = trained(full(), path, diary)
    assert f"{path}: damaged checkpoint, it is not used" in caplog.text
    assert [epoch for epoch, _ in diary.epochs] == [1, 2, 3, 4, 5]
    assert_same_bits(resumed, trained(full(), None)[0])


@pytest.mark.parametrize(
    "other",
    [{"epochs": 6}, {"optimizer": {"name": "sgd", "lr": 0.06}}, {"batch_size": 15}, {"keep": "last"}, {"ema": None}],
    ids=str,
)
def test_the_checkpoint_of_another_recipe_starts_over_with_a_warning(
    other: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped_after(1, full(**other), tmp_path / "checkpoint.pt")
    diary = Diary()
    with caplog.at_level(logging.WARNING):
        trained(full(), tmp_path / "checkpoint.pt", diary)
    assert "checkpoint of another training, it is not used" in caplog.text
    assert len(diary.epochs) == 5


def test_the_checkpoint_of_another_seed_model_or_data_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    settings = recipe(epochs=2)
    others = [
        (classifier(settings, seed=1, checkpoint=path), TRAIN),
        (classifier(settings, checkpoint=path, dropout=0.1), TRAIN),
        (classifier(settings, checkpoint=path), pictures(90)),
    ]
    for made, data in others:
        stop = Diary(stop_at=1)
        with pytest.raises(Pruned):
            made.fit(data, VALIDATION, stop)
        diary = Diary()
        classifier(settings, checkpoint=path).fit(TRAIN, VALIDATION, diary)
        assert len(diary.epochs) == 2


def test_a_save_that_fails_leaves_the_checkpoint_before_it(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "checkpoint.pt", "identity", CheckpointEvery())
    file.save({"number": 1})
    with pytest.raises(AttributeError, match="lambda"):
        file.save({"number": 2, "unsavable": lambda: None})
    assert file.load(torch.device("cpu")) == {"number": 1}


def test_a_checkpoint_holds_only_tensors_and_plain_values(tmp_path: Path) -> None:
    stopped_after(1, full(), tmp_path / "checkpoint.pt")
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert set(saved["state"]) == {
        "network",
        "average",
        "optimizer",
        "scaler",
        "streams",
        "history",
        "best",
        "epoch",
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("step", [8, 12])
def test_a_fit_that_is_interrupted_saves_a_checkpoint_after_that_step_and_resumes_to_the_same_bits(
    number: signal.Signals, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No checkpoint is due by epochs or by the clock, so the signal alone has one saved; 6 steps an epoch."""
    path, taken, take = tmp_path / "checkpoint.pt", [], Stepper.take

    def interrupted(stepper: Stepper, *arguments: Any) -> Any:
        taken.append(1)
        if len(taken) == step:
            os.kill(os.getpid(), number)
        return take(stepper, *arguments)

    settings = full(epochs=3, checkpoint={"epochs": None, "minutes": None})
    whole, expected = trained(settings, None)
    with monkeypatch.context() as patched, Interrupts(), pytest.raises(KeyboardInterrupt):
        patched.setattr(Stepper, "take", interrupted)
        trained(settings, path)
    state = torch.load(path, weights_only=True)["state"]
    assert (len(taken), 6 * len(state["history"]) + state["epoch"][3]) == (step, step)
    resumed, report = trained(settings, path)
    assert_same_bits(whole, resumed)
    assert without_times(report.history) == without_times(expected.history)


def test_a_fit_that_is_interrupted_while_an_epoch_is_told_saves_that_epoch(tmp_path: Path) -> None:
    class Interrupting(Diary):
        def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
            super().epoch(epoch, metrics)
            if epoch == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    path, diary = tmp_path / "checkpoint.pt", Interrupting()
    settings = full(epochs=3, checkpoint={"epochs": None, "minutes": None})
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        trained(settings, path, diary)
    state = torch.load(path, weights_only=True)["state"]
    assert (len(diary.epochs), len(state["history"])) == (2, 2)
    assert_same_bits(trained(settings, None)[0], trained(settings, path)[0])
