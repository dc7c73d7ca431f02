"""The pictures that a cell leaves of its model's inside."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness.cell.evaluate import Evaluation, evaluate_on
from harness.cell.inside import first_filters, write_inside
from harness.cell.saved import build_classifier
from harness.contracts import Cell, Choice, Dataset, LabeledImages, Recipe, SealedSet, Task
from harness.data import task_of
from harness.plugins import Catalog
from harness.train import NetworkClassifier
from harness.train.linear import LinearClassifier

RANDOM = np.random.default_rng(0)
DATA = LabeledImages(RANDOM.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), np.arange(40) % 2, np.arange(40))
TASK = task_of(("cat", "dog"), DATA)


class Deaf:
    """Listens to nothing."""

    def epoch(self, epoch: int, metrics: object) -> None: ...

    def opening(self, model_digest: str, test_set: SealedSet) -> None: ...


def fitted(model: str, **options: object) -> tuple[NetworkClassifier | LinearClassifier, Evaluation]:
    torch.set_num_threads(1)
    catalog = Catalog()
    choice = Choice.model_validate({"name": model, **options})
    recipe = Recipe(epochs=1) if model in {"mlp", "small_cnn", "timm"} else None
    cell = Cell(dataset=Dataset(name="digits"), model=choice, recipe=recipe, seed=0)
    classifier = build_classifier(cell, TASK, catalog, torch.device("cpu"))
    assert isinstance(classifier, (NetworkClassifier, LinearClassifier))
    if isinstance(classifier, LinearClassifier):
        classifier.fit(DATA, None, Deaf())
    return classifier, evaluate_on("val", classifier, DATA, cell, len(TASK.classes))


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("small_cnn", {"width": 4}, {"filters.png", "evidence.png", "feature_maps.png"}),
        ("mlp", {"hidden": 8}, {"filters.png", "evidence.png"}),
        ("logistic", {}, {"filters.png", "evidence.png"}),
        ("hog_svm", {"pixels_per_cell": 4}, {"hog.png"}),
    ],
)
def test_each_kind_of_model_leaves_the_pictures_that_apply(
    tmp_path: Path, model: str, options: dict[str, object], expected: set[str]
) -> None:
    classifier, evaluation = fitted(model, **options)
    write_inside(tmp_path, TASK, classifier, evaluation)
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_the_same_model_is_drawn_the_same(tmp_path: Path) -> None:
    classifier, evaluation = fitted("small_cnn", width=4)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_inside(tmp_path / name, TASK, classifier, evaluation)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_picture_that_fails_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Gradientless(nn.Module):
        """Breaks the way from the logits back to the maps."""

        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.inner(images)
            return logits.detach()

    classifier, evaluation = fitted("small_cnn", width=4)
    assert isinstance(classifier, NetworkClassifier)
    classifier.network = Gradientless(classifier.network)
    with caplog.at_level(logging.WARNING):
        write_inside(tmp_path, TASK, classifier, evaluation)
    assert {path.name for path in tmp_path.iterdir()} == {"filters.png", "feature_maps.png"}
    assert "evidence.png was left out" in caplog.text


def test_the_weights_of_a_class_lie_as_the_pixels_do() -> None:
    classifier, _ = fitted("logistic")
    assert isinstance(classifier, LinearClassifier)
    filters = first_filters(classifier, TASK)
    assert filters is not None
    assert filters.shape == (2, 3, 16, 16)
    coef = classifier.state()["coef"]
    assert filters[1, 2, 3, 4] == pytest.approx(float(coef[1, (3 * 16 + 4) * 3 + 2]))


def test_a_dense_first_layer_lies_as_the_network_flattens() -> None:
    classifier, _ = fitted("mlp", hidden=8)
    filters = first_filters(classifier, TASK)
    assert filters is not None
    weights = classifier.state()["1.weight"]
    assert filters[5, 2, 3, 4] == pytest.approx(float(weights[5, (2 * 16 + 3) * 16 + 4]))


def test_what_features_add_sums_to_the_score() -> None:
    classifier, evaluation = fitted("hog_svm", pixels_per_cell=4)
    assert isinstance(classifier, LinearClassifier)
    added = classifier.contributions(DATA.images, DATA.labels).sum(axis=1)
    intercepts = classifier.state()["intercept"][DATA.labels]
    np.testing.assert_allclose(added + intercepts, evaluation.scores[np.arange(40), DATA.labels], atol=1e-5)


def test_other_features_of_as_many_numbers_as_pixels_are_no_filters() -> None:
    task = Task(("a", "b"), (8, 8, 1), (0.0,), (1.0,))
    cell = Cell(
        dataset=Dataset(name="digits"),
        model=Choice.model_validate({"name": "hog_svm", "orientations": 4, "pixels_per_cell": 2, "cells_per_block": 4}),
        recipe=None,
        seed=0,
    )
    classifier = build_classifier(cell, task, Catalog(), torch.device("cpu"))
    assert classifier.state()["coef"].shape == (2, 64)
    assert first_filters(classifier, task) is None


def test_filters_are_weights_and_not_the_statistics_before_them() -> None:
    pytest.importorskip("timm")
    filters = first_filters(fitted("timm", arch="test_resnet", normalize="model", input_size=32)[0], TASK)
    assert filters is not None
    assert filters.shape[1:] == (3, 3, 3)


def test_images_that_are_kept_are_no_filters() -> None:
    knn = Catalog().realize("model", "knn", {"neighbors": 2}).build(TASK, 0)
    knn.fit(DATA, None, Deaf())
    assert knn.state()["rows"].shape == (len(DATA), 16 * 16 * 3)
    assert first_filters(knn, TASK) is None
