"""A batch in micro-batches: the same effective batch in less memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.contracts import Recipe
from harness.train import NetworkClassifier
from tests.train.conftest import AUGMENT, CATALOG, CPU, TASK, Diary, pictures, recipe

DATA = pictures(75)  # batches of 16, the last one of 11


def fitted(settings: Recipe, parts: int, model: str = "mlp") -> tuple[NetworkClassifier, Diary]:
    built = NetworkClassifier(CATALOG.realize("model", model, {}), settings, TASK, 0, CPU, CATALOG, parts=parts)
    diary = Diary()
    built.fit(DATA, None, diary)
    return built, diary


@pytest.mark.parametrize("parts", [2, 3, 16, 40])
@pytest.mark.parametrize(
    "settings", [{}, {"augment": AUGMENT, "label_smoothing": 0.1, "gradient_clip": 0.5}], ids=["plain", "all"]
)
def test_micro_batches_have_the_losses_of_the_whole_batch(parts: int, settings: dict[str, Any]) -> None:
    chosen = recipe(epochs=4, **settings)
    (whole, diary), (split, split_diary) = fitted(chosen, 1), fitted(chosen, parts)
    for (_, one), (_, other) in zip(diary.epochs, split_diary.epochs, strict=True):
        assert other["train/loss"] == pytest.approx(one["train/loss"], rel=1e-5)
        assert other["train/accuracy"] == one["train/accuracy"]
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(split.network.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_each_forward_pass_sees_one_micro_batch() -> None:
    seen: list[int] = []
    built = NetworkClassifier(CATALOG.realize("model", "mlp", {}), recipe(epochs=1), TASK, 0, CPU, CATALOG, parts=4)
    built.network.register_forward_pre_hook(lambda _, images: seen.append(len(images[0])))
    built.fit(DATA, None, Diary())
    assert seen == [4] * 16 + [3, 3, 3, 2]
