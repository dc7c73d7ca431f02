"""What only a GPU can show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.errors import OutOfMemoryError
from harness.train import batches
from tests.train.conftest import (
    AUGMENT,
    CPU,
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
