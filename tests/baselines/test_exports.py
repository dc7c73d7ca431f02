"""Each model that is no network brings code that scores as it does, without it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.contracts import LabeledImages, Task
from harness.plugins import BUILT_IN, Catalog

CATALOG = Catalog()
CLASSICAL = [name for name in CATALOG.names("model") if CATALOG.find("model", name).base == "ClassicalModel"]
EXPORTED = [name for name in CLASSICAL if (BUILT_IN[0] / f"_export_{name}.py").is_file()]


def test_there_are_some() -> None:
    assert {"hog_svm", "logistic", "majority"} <= set(EXPORTED)


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_exported_code_scores_as_the_model_does(tmp_path: Path, name: str, channels: int) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 16, 16, channels), dtype=np.uint8)
    images[:3] = np.array([0, 255, 9], np.uint8)[:, None, None, None]
    labels = np.arange(40) % 3  # of four classes: the last has no image
    task = Task(("a", "b", "c", "d"), (16, 16, channels), (0.4,) * channels, (0.0,) + (0.2,) * (channels - 1))
    model = CATALOG.realize("model", name, {})
    classifier = model.build(task, 0)
    listener: Any = SimpleNamespace(epoch=lambda *_: None)
    classifier.fit(LabeledImages(images, labels, np.arange(40)), None, listener)
    save_file(classifier.state(), tmp_path / "model.safetensors")
    about = {
        "model": {"name": name, **model.model_dump(mode="json")},
        "normalize": {"mean": task.mean, "std": task.std},
    }
    found = import_module(f"baselines._export_{name}").load(tmp_path, about)(images)
    assert found.dtype == np.float32
    assert found == pytest.approx(classifier.predict(images), rel=1e-4, abs=1e-4)
