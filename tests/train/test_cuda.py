"""What only a GPU can show."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.contracts import LabeledImages, Task
from harness.errors import OutOfMemoryError
from harness.plugins import Catalog
from harness.train import NetworkClassifier, batches, fit
from harness.train.cuda_graphs import Replay, Stepper, recorder_for
from tests.train.conftest import (
    AUGMENT,
    CATALOG,
    CPU,
    TASK,
    Diary,
    Pruned,
    assert_same_bits,
    classifier,
    pictures,
    recipe,
    without_times,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
CUDA = torch.device("cuda")
TRAIN, VALIDATION = pictures(96), pictures(40, seed=1)
FULL = recipe(epochs=4, augment=AUGMENT, label_smoothing=0.1, ema={"decay": 0.9}, keep="best", gradient_clip=1.0)

OPTIMIZERS = (
    {"name": "sgd", "lr": 0.05},
    {"name": "adamw"},
    {"name": "adam"},
    {"name": "sgdw"},
    {"name": "muon", "lr": 0.05},
)


def test_same_seed_gives_the_same_bits_in_bf16() -> None:
    first, second = (classifier(FULL, device=CUDA, dropout=0.3) for _ in range(2))
    reports = [each.fit(TRAIN, VALIDATION, Diary()) for each in (first, second)]
    assert_same_bits(first, second)
    assert without_times(reports[0].history) == without_times(reports[1].history)
    assert reports[0].peak_bytes is not None
    assert 0 < reports[0].peak_bytes < 1_000_000_000


def test_a_resumed_fit_has_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    whole = classifier(FULL, device=CUDA, dropout=0.3)
    whole.fit(TRAIN, VALIDATION, Diary())
    with pytest.raises(Pruned):
        classifier(FULL, device=CUDA, dropout=0.3, checkpoint=path).fit(TRAIN, VALIDATION, Diary(stop_at=2))
    resumed = classifier(FULL, device=CUDA, dropout=0.3, checkpoint=path)
    resumed.fit(TRAIN, VALIDATION, Diary())
    assert_same_bits(whole, resumed)


def test_fp32_has_the_losses_of_the_cpu() -> None:
    settings = recipe(precision="fp32")
    histories = [classifier(settings, device=each).fit(TRAIN, None, Diary()).history for each in (CUDA, CPU)]
    for on_cuda, on_cpu in zip(*histories, strict=True):
        assert on_cuda["train/loss"] == pytest.approx(on_cpu["train/loss"], rel=1e-2)


def test_the_devices_generator_is_as_before() -> None:
    torch.cuda.manual_seed(1)
    before = torch.cuda.get_rng_state()
    classifier(FULL, device=CUDA, dropout=0.3).fit(TRAIN, VALIDATION, Diary())
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_images_too_large_for_the_device_stay_in_host_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    on_device = classifier(recipe(), device=CUDA)
    on_device.fit(TRAIN, VALIDATION, Diary())
    monkeypatch.setattr(batches, "RESIDENT_SHARE", 0.0)
    in_host_memory = classifier(recipe(), device=CUDA)
    in_host_memory.fit(TRAIN, VALIDATION, Diary())
    assert_same_bits(on_device, in_host_memory)
    assert np.isfinite(in_host_memory.predict(VALIDATION.images)).all()


def test_too_little_memory_is_told_plainly() -> None:
    with pytest.raises(OutOfMemoryError, match=r"GreedyNet at batch size 16 .* cuda:0"):
        classifier(recipe(), device=CUDA, model="greedy_net").fit(TRAIN, None, Diary())


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: str(each["name"]))
@pytest.mark.parametrize(
    "settings", [{}, {"ema": {"decay": 0.9}}, {"lookahead": {"every": 2}}], ids=["plain", "ema", "lookahead"]
)
def test_recorded_steps_leave_the_bits_of_single_ones(
    optimizer: dict[str, Any], settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = recipe(
        epochs=3,
        optimizer=optimizer,
        augment=[*AUGMENT, {"name": "alternating_flip"}],
        label_smoothing=0.1,
        gradient_clip=1.0,
        freeze=[{"parameters": "0.*", "epochs": 2}],
        **settings,
    )
    recorded = classifier(chosen, device=CUDA, dropout=0.3)
    recorded.fit(TRAIN, VALIDATION, Diary())
    monkeypatch.setattr(fit, "recorder_for", lambda *_: _cannot_record)
    single = classifier(chosen, device=CUDA, dropout=0.3)
    single.fit(TRAIN, VALIDATION, Diary())
    assert_same_bits(recorded, single)


@pytest.mark.parametrize("name", Catalog().names("augmentation"))
def test_a_step_with_any_augmentation_is_recorded_and_never_waits_for_the_device(name: str) -> None:
    settings = recipe(augment=[{"name": name, **({"pad": 1} if name == "crop" else {})}], gradient_clip=1.0)
    with classifier(settings, device=CUDA, dropout=0.3).begun(TRAIN, None) as (training, plan):
        stepper = Stepper(training.step, plan.train, 16, recorder_for(training.step, plan.train))
        for epoch in range(2):
            training.epoch = fit.begin_epoch(training, plan)
            torch.cuda.set_sync_debug_mode("error" if epoch else "default")  # recording itself waits
            try:
                fit.take_steps(training, training.epoch, plan, stepper)
            finally:
                torch.cuda.set_sync_debug_mode("default")
            training.history.append({})
        assert stepper.is_recorded


def test_a_network_that_asks_the_host_is_trained_step_by_step(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        report = classifier(FULL, device=CUDA, model="curious_net").fit(TRAIN, VALIDATION, Diary())
    assert np.isfinite(report.history[-1]["train/loss"])
    assert "the host waits for the device" in caplog.text


@pytest.mark.parametrize("name", ["mlp", "small_cnn", "small_vgg", "resnet18", "speednet"])
def test_fifty_steps_in_fp32_have_the_losses_of_the_cpu(name: str) -> None:
    task = Task(tuple("0123456789"), (32, 32, 3), (0.5,) * 3, (0.25,) * 3)
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 80)
    images = (random.integers(0, 200, (80, 32, 32, 3)) + 5 * labels[:, None, None, None]).astype(np.uint8)
    data = LabeledImages(images, labels, np.arange(80))
    settings = recipe(precision="fp32", epochs=10, optimizer={"name": "sgd", "lr": 3e-4})  # five steps an epoch
    losses = []
    for device in (CPU, CUDA):
        built = NetworkClassifier(CATALOG.realize("model", name, {}), settings, task, 0, device, CATALOG)
        losses.append([metrics["train/loss"] for metrics in built.fit(data, None, Diary()).history])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_normalized_images_are_those_of_the_cpu_bit_by_bit() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 16, 16, 3)
    on_cpu, on_cuda = (batches.Normalize(TASK, device)(batches.as_float(pixels.to(device))) for device in (CPU, CUDA))
    assert torch.equal(on_cuda.cpu(), on_cpu)


def test_training_goes_on_after_memory_ran_out() -> None:
    with pytest.raises(OutOfMemoryError):
        classifier(recipe(), device=CUDA, model="greedy_net").fit(TRAIN, None, Diary())
    report = classifier(recipe(), device=CUDA).fit(TRAIN, None, Diary())
    assert np.isfinite(report.history[-1]["train/loss"])


def test_micro_batches_take_less_memory_for_the_same_losses() -> None:
    settings = recipe(epochs=2, batch_size=96, precision="fp32", augment=())
    found = []
    for parts in (1, 8):
        built = NetworkClassifier(
            CATALOG.realize("model", "tiny_cnn", {"width": 64, "dropout": 0.0}),
            settings,
            TASK,
            0,
            CUDA,
            CATALOG,
            parts=parts,
        )
        found.append(built.fit(TRAIN, None, Diary()))
    whole, split = found
    assert split.history[-1]["train/loss"] == pytest.approx(whole.history[-1]["train/loss"], rel=1e-4)
    assert whole.peak_bytes is not None
    assert split.peak_bytes is not None
    assert split.peak_bytes < whole.peak_bytes


def test_fp16_with_scaled_losses_trains() -> None:
    history = classifier(recipe(precision="fp16", epochs=6), device=CUDA).fit(TRAIN, None, Diary()).history
    assert history[-1]["train/loss"] < 0.9 * history[0]["train/loss"]


def _cannot_record(*_: object) -> Replay:
    raise RuntimeError("taken one by one for comparison")
